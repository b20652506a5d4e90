"""The product in this process, with the documents that the pairs are about, one tenant a company.

Evidence and citations are those of the product's own answers: each question is asked once.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.caching.pairs import pairs
from bench.retrieval.samples import texts_of
from tests.isolation.backends import EMBEDDED
from tests.isolation.stack import Api, Tenant, homes, new_tenant, opened

from carrel.caching.semantic import Asked
from carrel.embedding.embedder import Embedder
from carrel.placement.homes import Homes

DOCUMENTS = Path(__file__).parent / "documents"
SCOPE = "bench"
_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class Answered:
    """What an answer was written from, and what of it was cited; `found`: there was an answer."""

    found: bool
    evidence: frozenset[str]
    cited: frozenset[str]


@dataclass(slots=True)
class Stand:
    """A running product; questions that were asked before are not asked again."""

    api: Api
    tenants: Mapping[str, Tenant]
    _answers: dict[tuple[str, str], Answered] = field(
        default_factory=dict[tuple[str, str], Answered]
    )

    @property
    def embedder(self) -> Embedder:
        return self.api.services.embedder

    @property
    def homes(self) -> Homes:
        return homes(self.api)

    async def asked(self, question: str) -> Asked:
        vector = await self.embedder.embed_query(question)
        return Asked(SCOPE, question, vector, self.embedder.identity)

    async def answers(self, tenant: str, questions: Iterable[str]) -> None:
        """Ask all *questions* now, a few at a time."""
        turns = asyncio.Semaphore(_AT_ONCE)

        async def one(question: str) -> None:
            async with turns:
                await self.answer(tenant, question)

        await asyncio.gather(*map(one, dict.fromkeys(questions)))

    async def answer(self, tenant: str, question: str) -> Answered:
        """What the product answers *question* from."""
        key = (tenant, question)
        if key not in self._answers:
            reply = await self.tenants[tenant].ask(question)
            assert reply.status == 200, reply
            body = reply.json
            self._answers[key] = Answered(
                found=body["finish_reason"] != "no_evidence",
                evidence=frozenset(each["chunk_id"] for each in body["sources"]),
                cited=frozenset(each["chunk_id"] for each in body["citations"]),
            )
        return self._answers[key]


@asynccontextmanager
async def stand(folder: Path, environment: Mapping[str, str]) -> AsyncGenerator[Stand]:
    """The product with all documents ingested."""
    texts = await texts_of()
    for path in sorted(DOCUMENTS.glob("*.md")):
        texts[path.stem] = {path.stem: path.read_text("utf-8")}
    async with opened(folder, EMBEDDED, environment=environment) as api:
        tenants: dict[str, Tenant] = {}
        for name in sorted({pair.tenant for pair in pairs()}):
            tenants[name] = await new_tenant(api)
            for number, (title, text) in enumerate(texts[name].items()):
                reply = await tenants[name].upload(f"d{number}", text, title=title, wait=60)
                assert reply.json["status"] == "ready", reply
        yield Stand(api, tenants)
