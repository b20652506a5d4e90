"""Tenants under observation: operations are carried out, and what is seen is held against a model.

The model knows for each document which of its texts searches may show. Each text carries the
tenant's canary and a number of its own, so a response tells whose and which texts it shows.
"""

import asyncio
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

from tests.isolation.canary import Tally, question_about, text_about
from tests.isolation.operations import (
    Ask,
    Delete,
    Get,
    List,
    Operation,
    Search,
    Upload,
    Write,
)
from tests.isolation.stack import Api, Reply, Tenant, new_tenant

_NUMBER = re.compile(r"text(\d+)x")
Documents = dict[str, "State"]


@dataclass
class State:
    """A document that exists: the numbers of the texts that searches may show of it."""

    shown: set[int]
    settled: bool


@dataclass
class Park:
    """Some tenants of one stack, with what each should have.

    Each tenant is one caller, who sees all that the tenant has. Callers with groups see less: they
    would come with a `State.groups`, and `_numbers` would ask for the caller.
    """

    tenants: list[Tenant]
    tally: Tally
    documents: list[Documents] = field(default_factory=list)
    number: int = 0

    @classmethod
    async def made(cls, api: Api, tenants: int, tally: Tally) -> "Park":
        made = [await new_tenant(api) for _ in range(tenants)]
        return cls(made, tally, [{} for _ in made])

    async def all_at_once(self, operations: Sequence[Operation]) -> None:
        """Carry *operations* out at the same time; of writes to one document, only the first."""
        chosen = _first_writes(operations)
        writes: dict[int, int] = {}
        before = [_numbers(each) for each in self.documents]
        during = [set(each) for each in before]
        for operation in chosen:
            if isinstance(operation, Upload):
                self.number += 1
                during[operation.tenant].add(self.number)
                writes[id(operation)] = self.number
        replies = await asyncio.gather(
            *(self._carry_out(each, writes.get(id(each), 0)) for each in chosen)
        )
        for operation, reply in zip(chosen, replies, strict=True):
            self._note(operation, reply, writes.get(id(operation), 0))
            self._check(operation.tenant, reply, during[operation.tenant])

    async def look_around(self, tenant: int, subject: str) -> None:
        """One tenant lists and searches: it sees everything it has, and nothing else."""
        documents = self.documents[tenant]
        listed = await self.tenants[tenant].call("GET", "/v1/documents", query="limit=1000")
        self._check(tenant, listed, _numbers(documents))
        assert {each["id"] for each in listed.json["data"]} == set(documents)
        found = await self.tenants[tenant].search(question_about(subject), top_k=50)
        self._check(tenant, found, _numbers(documents))
        hits = found.json["hits"]
        settled = {name for name, state in documents.items() if state.settled}
        assert settled <= {hit["document_id"] for hit in hits} <= set(documents)
        for hit in hits:
            assert _shown(hit["text"]) <= documents[hit["document_id"]].shown, hit

    async def settle(self, tenant: int) -> None:
        """Wait until everything that one tenant uploaded is searchable."""
        for name, state in self.documents[tenant].items():
            if not state.settled:
                reply = await self._get(tenant, name, wait=30)
                assert reply.json["status"] == "ready", reply
                state.shown, state.settled = {max(state.shown)}, True

    async def _carry_out(self, operation: Operation, number: int) -> Reply:
        tenant = self.tenants[operation.tenant]
        match operation:
            case Upload():
                mark = f"text{number}x"
                return await tenant.upload(
                    operation.document_id,
                    text_about(operation.subject, tenant.canary, mark),
                    title=f"Title {tenant.canary} {mark}",
                    metadata=operation.metadata,
                    wait=30 if operation.waits else 0,
                )
            case Delete():
                return await tenant.call("DELETE", f"/v1/documents/{operation.document_id}")
            case Get():
                return await self._get(operation.tenant, operation.document_id)
            case List():
                after = "" if operation.after is None else f"&after={quote(operation.after)}"
                query = f"limit={operation.limit}{after}"
                return await tenant.call("GET", "/v1/documents", query=query)
            case Search():
                more = {} if operation.where is None else {"filter": operation.where}
                text = question_about(operation.subject)
                return await tenant.search(text, top_k=operation.top_k, **more)
            case Ask():
                return await self._ask(tenant, operation)

    async def _ask(self, tenant: Tenant, operation: Ask) -> Reply:
        question = question_about(operation.subject)
        if operation.route == "query":
            more = {} if operation.where is None else {"filter": operation.where}
            return await tenant.ask(question, stream=operation.stream, **more)
        messages = [{"role": "user", "content": question}]
        body = {"model": "carrel", "messages": messages, "stream": operation.stream}
        return await tenant.call("POST", "/v1/chat/completions", body=body)

    async def _get(self, tenant: int, name: str, *, wait: int = 0) -> Reply:
        return await self.tenants[tenant].call("GET", f"/v1/documents/{name}", query=f"wait={wait}")

    def _note(self, operation: Operation, reply: Reply, number: int) -> None:
        """Hold *reply* against what the model expects of a write, and change the model."""
        documents = self.documents[operation.tenant]
        if isinstance(operation, Delete):
            known = documents.pop(operation.document_id, None)
            assert reply.status == (204 if known else 404), reply
        elif isinstance(operation, Upload):
            assert reply.status == 202, reply
            assert reply.json["id"] == operation.document_id
            earlier = documents.get(operation.document_id)
            if reply.json["status"] == "ready":
                documents[operation.document_id] = State({number}, settled=True)
            else:
                assert not operation.waits, reply
                shown = {number} | (earlier.shown if earlier else set())
                documents[operation.document_id] = State(shown, settled=False)

    def _check(self, tenant: int, reply: Reply, allowed: set[int]) -> None:
        self.tally.look(reply.text, self.tenants[tenant].canary)
        assert not self.tally.foreign, (self.tally.foreign, reply)
        assert reply.status in (200, 202, 204, 404, 422), reply
        self.tally.passages += _count_passages(reply)
        assert _shown(reply.text) <= allowed, (allowed, reply)


def _first_writes(operations: Sequence[Operation]) -> list[Operation]:
    chosen: list[Operation] = []
    written: set[tuple[int, str]] = set()
    for operation in operations:
        if isinstance(operation, Write):
            place = (operation.tenant, operation.document_id)
            if place in written:
                continue
            written.add(place)
        chosen.append(operation)
    return chosen


def _numbers(documents: Documents) -> set[int]:
    return {number for state in documents.values() for number in state.shown}


def _shown(text: str) -> set[int]:
    return {int(number) for number in _NUMBER.findall(text)}


def _count_passages(reply: Reply) -> int:
    if reply.text.startswith("{"):
        body = json.loads(reply.text)
        return len(body.get("hits") or body.get("sources") or [])
    return 0
