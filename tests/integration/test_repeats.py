"""Answers that are there already: given before the framework is reached, as it would give them."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import pytest
from tests.isolation.backends import EMBEDDED
from tests.isolation.stack import Api, Reply, Tenant, new_tenant, opened

from carrel.answering.pipeline import Pipeline
from carrel.api import repeats
from carrel.api.middleware import RequestContext

QUESTION = "How long do refunds take?"


@dataclass
class Stage:
    """A stack with a tenant that was answered a question, by both ways."""

    api: Api
    tenant: Tenant

    async def both(self, body: Any, **options: Any) -> tuple[Reply, Reply]:
        """What is replied before the framework, and what by it."""
        app: Any = self.api.app
        slow = cast(Any, RequestContext(app.framework, max_body_bytes=10**6))
        asked = {"key": self.tenant.key, "body": body} | options
        early = await self.api.call("POST", "/v1/query", **asked)
        late = await replace(self.api, app=slow).call("POST", "/v1/query", **asked)
        return early, late


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with opened(tmp_path / "data", EMBEDDED) as api:
        tenant = await new_tenant(api)
        await tenant.upload("refunds", "Refunds take 30 days after the return of the goods.")
        assert (await tenant.ask(QUESTION)).json["cache"]["status"] == "miss"
        yield Stage(api, tenant)


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each request was answered before the framework, in their order."""
    outcomes: list[bool] = []
    original = repeats._given

    async def spied(*arguments: Any) -> Any:
        found = await original(*arguments)
        outcomes.append(found is not None)
        return found

    monkeypatch.setattr(repeats, "_given", spied)
    return outcomes


async def test_an_answer_that_is_there_is_given_as_the_route_gives_it(
    stage: Stage, given: list[bool]
):
    early, late = await stage.both({"question": QUESTION})
    assert given == [True]
    assert early.status == late.status == 200
    answers = [early.json, late.json]
    for each in answers:
        assert set(each.pop("timings_ms")) == {"exact", "first_token"}
    assert answers[0] == answers[1]
    assert answers[0]["cache"]["status"] == "exact"


async def test_a_streamed_one_has_the_events_of_the_route(stage: Stage, given: list[bool]):
    early, late = await stage.both({"question": QUESTION, "stream": True})
    assert given == [True]
    assert "event: done" in early.text
    early_text, late_text = (
        re.sub(r'"timings_ms":{[^}]+}', "", each.text) for each in (early, late)
    )
    assert early_text == late_text != early.text


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"question": " "}, 422),
        ({"question": QUESTION, "more": 1}, 422),
        ({"question": QUESTION, "model": "another"}, 422),
        ({"question": QUESTION, "filter": {"a": {"above": 1}}}, 422),
        ({"question": QUESTION, "top_k": 0}, 422),
        ([], 422),
        ({"question": "x" * 70_000}, 422),
        ({"question": "What is a warranty?"}, 200),
        ({"question": QUESTION, "cache": "bypass"}, 200),
        ({"question": QUESTION, "cache": "refresh"}, 200),
    ],
)
async def test_whatever_else_is_left_to_the_route(stage: Stage, body: Any, status: int):
    early, late = await stage.both(body)
    assert early.status == late.status == status
    if status != 200:
        assert _but_ids(early.json) == _but_ids(late.json)


async def test_keys_that_may_not_ask_are_refused_by_the_route(stage: Stage):
    searching = await new_tenant(stage.api, scopes=("search",))
    for key in ("crl_no", "", searching.key):
        early, late = await stage.both({"question": QUESTION}, key=key)
        assert early.status == late.status
        assert early.status in (401, 403)
        assert _but_ids(early.json) == _but_ids(late.json)


async def test_a_limit_refuses_it_and_says_so(stage: Stage):
    change = stage.api.services.tenants.change
    await change(stage.tenant.id, limits={"requests_per_minute": 1})
    await stage.api.services.authenticator.forget()
    assert (await stage.tenant.ask(QUESTION)).status == 200
    refused = await stage.tenant.ask(QUESTION)
    assert refused.status == 429
    assert refused.json["error"]["code"] == "rate_limit_exceeded"


async def test_what_was_looked_up_is_not_looked_up_again(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
):
    looked_up: list[str] = []
    original = Pipeline.look_up

    async def look_up(self: Pipeline, question: Any, stages: Any) -> Any:
        looked_up.append(question.text)
        return await original(self, question, stages)

    monkeypatch.setattr(Pipeline, "look_up", look_up)
    assert (await stage.tenant.ask("Who pays for the return?")).status == 200
    assert looked_up == ["Who pays for the return?"]


async def test_each_is_in_the_ledger_once(stage: Stage):
    for _ in range(5):
        await stage.tenant.ask(QUESTION)
    ledger = stage.api.services.ledger
    assert [event.cache_status for event in ledger._pending].count("exact") == 5


async def test_a_body_in_pieces_is_read_whole_and_one_that_ends_early_is_no_fault(stage: Stage):
    body = json.dumps({"question": QUESTION}).encode()
    pieces = [
        {"type": "http.request", "body": body[:10], "more_body": True},
        {"type": "http.request", "body": body[10:], "more_body": False},
    ]
    assert await _status(stage, body, pieces) == 200
    assert await _status(stage, body, [pieces[0], {"type": "http.disconnect"}]) is None


async def _status(stage: Stage, body: bytes, messages: list[dict[str, Any]]) -> int | None:
    unread, statuses = iter(messages), list[int]()

    async def receive() -> dict[str, Any]:
        return next(unread, {"type": "http.disconnect"})

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    headers = {
        "content-type": "application/json",
        "content-length": str(len(body)),
        "authorization": f"Bearer {stage.tenant.key}",
    }
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/query",
        "raw_path": b"/v1/query",
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }
    async with asyncio.timeout(30):
        await stage.api.app(scope, receive, send)
    return statuses[0] if statuses else None


def _but_ids(error: Any) -> Any:
    return {name: value for name, value in error["error"].items() if name != "request_id"}
