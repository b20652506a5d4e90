"""Tenants under observation: operations are carried out, and what is seen is held against a model.

The model knows for each document which of its texts searches may show, and to which groups. Each
text carries the tenant's canary and a number of its own, so a response tells whose and which texts
it shows.
"""

import asyncio
import json
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

from tests.isolation.canary import Tally, question_about, text_about
from tests.isolation.model import Documents, State, numbers_for
from tests.isolation.operations import (
    SIGHTS,
    Ask,
    Caller,
    Delete,
    Get,
    List,
    Move,
    Operation,
    Search,
    Upload,
    Write,
)
from tests.isolation.stack import Api, Reply, Tenant, new_tenant

from carrel.domain.tenant import Isolation

_NUMBER = re.compile(r"text(\d+)x")
_ANSWERS = (200, 202, 204, 404, 409, 422)


@dataclass
class Resident:
    """A tenant as each of its callers sees it, and what it should have."""

    callers: list[Tenant]
    documents: Documents = field(default_factory=dict)
    tier: Isolation = "shared"

    @classmethod
    async def made(cls, api: Api) -> "Resident":
        tenant = await new_tenant(api)
        return cls([tenant, *[await tenant.in_groups(*groups) for groups in SIGHTS[1:]]])

    @property
    def who_sees_all(self) -> Tenant:
        return self.callers[-1]


@dataclass
class Park:
    """Some tenants of one stack, with what each should have."""

    api: Api
    residents: list[Resident]
    tally: Tally
    number: int = 0

    @classmethod
    async def made(cls, api: Api, tenants: int, tally: Tally) -> "Park":
        return cls(api, [await Resident.made(api) for _ in range(tenants)], tally)

    async def all_at_once(self, operations: Sequence[Operation]) -> None:
        """Carry *operations* out at the same time; of writes to one document, only the first."""
        chosen = _first_writes(operations)
        coming: dict[int, int] = {}
        between = [dict(each.documents) for each in self.residents]
        for operation in chosen:
            if isinstance(operation, Upload) and not self._is_hidden(operation):
                self.number += 1
                coming[id(operation)] = self.number
                documents = between[operation.caller.tenant]
                earlier = documents.get(operation.document_id)
                documents[operation.document_id] = State.replaced(
                    earlier, self.number, operation.groups
                )
        before = [dict(each.documents) for each in self.residents]
        replies = await asyncio.gather(
            *(self._carry_out(each, coming.get(id(each), 0)) for each in chosen)
        )
        for operation, reply in zip(chosen, replies, strict=True):
            caller, number = operation.caller, coming.get(id(operation), 0)
            self._note(operation, reply, number)
            allowed = {number}  # whoever uploads is answered what it uploaded
            for documents in (before[caller.tenant], between[caller.tenant]):
                allowed |= numbers_for(documents.values(), caller.groups)
            self._check(self._tenant(caller), reply, allowed)

    async def look_around(self, caller: Caller, subject: str) -> None:
        """A caller lists and searches: it sees everything that is for it, and nothing else."""
        documents = self.residents[caller.tenant].documents
        seen = {name: each for name, each in documents.items() if each.is_for(caller.groups)}
        allowed = numbers_for(documents.values(), caller.groups)
        tenant = self._tenant(caller)
        listed = await tenant.call("GET", "/v1/documents", query="limit=1000")
        self._check(tenant, listed, allowed)
        assert {each["id"] for each in listed.json["data"]} == set(seen)
        found = await tenant.search(question_about(subject), top_k=50)
        self._check(tenant, found, allowed)
        hits = found.json["hits"]
        settled = {name for name, state in seen.items() if state.settled}
        assert settled <= {hit["document_id"] for hit in hits} <= set(seen)
        for hit in hits:
            assert _shown(hit["text"]) <= documents[hit["document_id"]].numbers(caller.groups), hit

    async def settle(self, tenant: int) -> None:
        """Wait until everything that one tenant uploaded is searchable."""
        resident = self.residents[tenant]
        for name, state in resident.documents.items():
            if not state.settled:
                reply = await _get(resident.who_sees_all, name, wait=30)
                assert reply.json["status"] == "ready", reply
                resident.documents[name] = state.as_ready()

    async def leave(self, tenant: int, *, waits: bool) -> None:
        """One tenant is erased, whatever is going on in it, and another comes in its place."""
        gone = self.residents[tenant]
        self.residents[tenant] = await Resident.made(self.api)
        path = f"tenants/{gone.who_sees_all.id}"
        reply = await self.api.administer("DELETE", path, query=f"wait={30 * waits}")
        assert reply.status == (204 if waits else 202), reply
        self.tally.erasures += 1
        for caller in gone.callers:
            for answer in (await caller.search("refunds"), await caller.ask("refunds")):
                assert answer.status == 401, answer

    def _is_hidden(self, upload: Upload) -> bool:
        """Whether the document is one that the caller may not see, and so not replace."""
        there = self.residents[upload.caller.tenant].documents.get(upload.document_id)
        return there is not None and not there.is_for(upload.caller.groups)

    def _tenant(self, caller: Caller) -> Tenant:
        return self.residents[caller.tenant].callers[caller.sight]

    async def _move(self, tenant: int) -> Reply:
        resident = self.residents[tenant]
        other: Isolation = "collection" if resident.tier == "shared" else "shared"
        path = f"tenants/{resident.who_sees_all.id}/moves"
        reply = await self.api.administer("POST", path, body={"isolation": other})
        assert reply.status in (202, 409), reply
        if reply.status == 202:
            resident.tier = other
            self.tally.moves += 1
        return reply

    async def _carry_out(  # noqa: PLR0911 - one for each kind
        self, operation: Operation, number: int
    ) -> Reply:
        tenant = self._tenant(operation.caller)
        match operation:
            case Upload():
                mark = f"text{number}x"
                return await tenant.upload(
                    operation.document_id,
                    text_about(operation.subject, tenant.canary, mark),
                    title=f"Title {tenant.canary} {mark}",
                    metadata=operation.metadata,
                    groups=operation.groups,
                    wait=30 if operation.waits else 0,
                )
            case Delete():
                return await tenant.call("DELETE", f"/v1/documents/{operation.document_id}")
            case Get():
                return await _get(tenant, operation.document_id)
            case List():
                after = "" if operation.after is None else f"&after={quote(operation.after)}"
                query = f"limit={operation.limit}{after}"
                return await tenant.call("GET", "/v1/documents", query=query)
            case Search():
                more = {} if operation.where is None else {"filter": operation.where}
                text = question_about(operation.subject)
                return await tenant.search(text, top_k=operation.top_k, **more)
            case Ask():
                return await _ask(tenant, operation)
            case Move():
                return await self._move(operation.caller.tenant)

    def _note(self, operation: Operation, reply: Reply, number: int) -> None:
        """Hold *reply* against what the model expects of a write, and change the model."""
        documents = self.residents[operation.caller.tenant].documents
        match operation:
            case Delete():
                there = documents.get(operation.document_id)
                known = there is not None and there.is_for(operation.caller.groups)
                assert reply.status == (204 if known else 404), reply
                if known:
                    del documents[operation.document_id]
            case Upload() if not number:
                assert reply.status == 409, reply
            case Upload():
                assert reply.status == 202, reply
                assert reply.json["id"] == operation.document_id
                earlier = documents.get(operation.document_id)
                state = State.replaced(earlier, number, operation.groups)
                is_ready = reply.json["status"] == "ready"
                assert is_ready or not operation.waits, reply
                documents[operation.document_id] = state.as_ready() if is_ready else state
            case _:
                pass

    def _check(self, tenant: Tenant, reply: Reply, allowed: Collection[int]) -> None:
        self.tally.look(reply.text, tenant.canary)
        assert not self.tally.foreign, (self.tally.foreign, reply)
        assert reply.status in _ANSWERS, reply
        self.tally.passages += _count_passages(reply)
        assert _shown(reply.text) <= set(allowed), (allowed, tenant.groups, reply)


async def _ask(tenant: Tenant, operation: Ask) -> Reply:
    question = question_about(operation.subject)
    if operation.route == "query":
        more = {} if operation.where is None else {"filter": operation.where}
        return await tenant.ask(question, stream=operation.stream, **more)
    messages = [{"role": "user", "content": question}]
    body = {"model": "carrel", "messages": messages, "stream": operation.stream}
    return await tenant.call("POST", "/v1/chat/completions", body=body)


async def _get(tenant: Tenant, name: str, *, wait: int = 0) -> Reply:
    return await tenant.call("GET", f"/v1/documents/{name}", query=f"wait={wait}")


def _first_writes(operations: Sequence[Operation]) -> list[Operation]:
    chosen: list[Operation] = []
    written: set[tuple[int, str]] = set()
    for operation in operations:
        if isinstance(operation, Write):
            place = (operation.caller.tenant, operation.document_id)
            if place in written:
                continue
            written.add(place)
        chosen.append(operation)
    return chosen


def _shown(text: str) -> set[int]:
    return {int(number) for number in _NUMBER.findall(text)}


def _count_passages(reply: Reply) -> int:
    if reply.text.startswith("{"):
        body = json.loads(reply.text)
        return len(body.get("hits") or body.get("sources") or [])
    return 0
