"""Follow-up questions through the OpenAI-compatible route: without a model, and with one."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from tests.acceptance.server import ADMIN_KEY, Client, Server, free_port, new_tenant, running

HANDBOOK = """# Leave

Parental leave is 16 weeks at full pay. People and Culture approves parental leave.

# Sabbatical

A sabbatical is eight unpaid weeks. The department head approves each sabbatical.
"""
LEAVE = "How long is parental leave?"


async def chat(client: Client, *turns: str) -> dict[str, Any]:
    """The answer to the last of *turns*, which the user and the assistant take in turn."""
    roles = ["user", "assistant"] * len(turns)
    messages = [{"role": r, "content": t} for r, t in zip(roles, turns, strict=False)]
    status, answer = await client.post(
        "/v1/chat/completions", {"model": "carrel", "messages": messages}
    )
    assert status == 200, answer
    return answer


def said(answer: dict[str, Any]) -> str:
    return answer["choices"][0]["message"]["content"]


async def test_a_follow_up_question_is_answered_from_what_it_is_about(acme: Client):
    await acme.post("/v1/documents?wait=30", {"text": HANDBOOK, "document_id": "handbook"})
    assert "People and Culture" in said(await chat(acme, LEAVE, "16 weeks.", "Who approves it?"))
    about = await chat(acme, "What is a sabbatical?", "Eight weeks.", "And who approves it?")
    assert "department head" in said(about)


async def test_a_new_topic_is_not_mixed_with_the_one_before(acme: Client):
    await acme.post("/v1/documents?wait=30", {"text": HANDBOOK, "document_id": "handbook"})
    answer = await chat(acme, LEAVE, "16 weeks.", "And how long is a sabbatical?")
    assert "eight unpaid weeks" in said(answer)


class Upstream:
    """Rewrites as it is told to, and answers everything with the first source."""

    def __init__(self) -> None:
        self.rewritten = "Who approves parental leave?"
        self.stalls = False
        self.prompts: list[list[dict[str, str]]] = []

    async def complete(self, request: web.Request) -> web.StreamResponse:
        messages = (await request.json())["messages"]
        self.prompts.append(messages)
        rewrites = messages[0]["content"].startswith("You rewrite")
        if rewrites and self.stalls:
            await asyncio.Event().wait()
        text = self.rewritten if rewrites else "People and Culture approves it [1]."
        usage = {"prompt_tokens": 1000, "completion_tokens": 7}
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for event in (
            {"choices": [{"delta": {"content": text}}]},
            {"choices": [{"delta": {}, "finish_reason": "stop"}]},
            {"choices": [], "usage": usage},
        ):
            await response.write(f"data: {json.dumps(event)}\n\n".encode())
        await response.write(b"data: [DONE]\n\n")
        return response


@pytest.fixture(scope="module")
def model_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, model_port: int) -> Iterator[Server]:
    environment = {
        "CARREL_LLM__BASE_URL": f"http://127.0.0.1:{model_port}/v1",
        "CARREL_LLM__MODEL": "small",
        "CARREL_LLM__STANDALONE_TIMEOUT_SECONDS": "0.2",
    }
    with running(tmp_path_factory.mktemp("conversations"), environment) as server:
        yield server


@pytest.fixture
async def upstream(model_port: int) -> AsyncIterator[Upstream]:
    upstream = Upstream()
    app = web.Application()
    app.add_routes([web.post("/v1/chat/completions", upstream.complete)])
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.05)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", model_port).start()
    yield upstream
    await runner.cleanup()


@pytest.fixture
async def tenant(served: Server) -> AsyncIterator[Client]:
    async with aiohttp.ClientSession() as session:
        client = await new_tenant(Client(session, served.url, ADMIN_KEY), "acme")
        await client.post("/v1/documents?wait=30", {"text": HANDBOOK, "document_id": "handbook"})
        yield client


async def test_the_models_rewriting_is_counted_and_the_prompt_keeps_the_conversation(
    tenant: Client, upstream: Upstream
):
    answer = await chat(tenant, LEAVE, "16 weeks.", "Who approves it?")
    assert answer["usage"]["prompt_tokens"] == 2000
    assert answer["usage"]["completion_tokens"] == 14
    written = upstream.prompts[-1]
    assert written[-1]["content"] == "Who approves it?"
    assert any(turn["content"] == "16 weeks." for turn in written)


async def test_a_question_that_stands_alone_asks_the_model_once(tenant: Client, upstream: Upstream):
    await chat(tenant, "What is a sabbatical?", "Unpaid weeks.", "Who approves parental leave?")
    assert len(upstream.prompts) == 1


async def test_a_model_that_stalls_over_the_question_costs_its_time_and_no_answer(
    tenant: Client, upstream: Upstream
):
    upstream.stalls = True
    answer = await chat(tenant, LEAVE, "16 weeks.", "Who approves it?")
    assert said(answer) == "People and Culture approves it [1]."
