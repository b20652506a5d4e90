"""From a question to the passages that its answer is written from.

The passages are the tenant's, and for the caller's groups to see: completing one
reads through the same handle as the search did.
"""

from dataclasses import dataclass, replace

from carrel.answering.conversation import Conversations, Standalone
from carrel.answering.question import Question
from carrel.answering.searching import Searches
from carrel.caching.entry import evidence_of
from carrel.domain.ids import ChunkId
from carrel.placement.homes import Homes
from carrel.retrieval.context import SPARE, choose, completed, fit, gaps
from carrel.retrieval.search import Retrieval
from carrel.telemetry import genai
from carrel.telemetry.stages import Stages


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was found, for the question as it stands alone."""

    retrieval: Retrieval
    standalone: Standalone

    @property
    def chunks(self) -> frozenset[tuple[ChunkId, str]]:
        """What the passages are: ids with their contents' hashes."""
        return evidence_of(self.retrieval.passages)


class EvidenceFinder:
    """Finds passages, and makes of them what a model can read. *context_tokens* bounds it."""

    def __init__(
        self,
        *,
        searches: Searches,
        homes: Homes,
        conversations: Conversations,
        context_tokens: int,
    ) -> None:
        self._searches = searches
        self._homes = homes
        self._conversations = conversations
        self.context_tokens = context_tokens

    async def find(
        self, question: Question, stages: Stages, corpus_version: int | None = None
    ) -> Evidence:
        """The passages for *question*, best first, as many as it asks for or fewer.

        Raises:
            Unavailable: the embedder, the vector store or the database is down.
        """
        standalone = Standalone(question.text)
        if question.history:
            with stages.time("standalone"):
                # What costs money waits until it is reserved, which is after the search.
                standalone = await self._conversations.standalone(
                    question.text, question.history, by_rule_alone=question.has_budget
                )
        with stages.time("retrieve") as span:
            genai.retrieval(span, question.top_k)
            retrieval = await self._search(question, standalone.text, corpus_version)
            if not retrieval.relevant and standalone.text != question.text:
                # What was carried over may have led astray: the question may be a new one.
                alone = await self._search(question, question.text, corpus_version)
                if alone.relevant:
                    retrieval, standalone = alone, replace(standalone, text=question.text)
            if retrieval.relevant:
                retrieval = await self._readable(question, retrieval)
            span.set(passages=len(retrieval.passages), relevant=retrieval.relevant)
        return Evidence(retrieval, standalone)

    async def _search(self, question: Question, text: str, corpus_version: int | None) -> Retrieval:
        return await self._searches.search(
            question.tenant_id,
            text,
            top_k=question.top_k + SPARE,
            where=question.where,
            groups=question.groups,
            corpus_version=corpus_version,
            anew=question.cache != "use",
        )

    async def _readable(self, question: Question, retrieval: Retrieval) -> Retrieval:
        passages = choose(retrieval.passages, question.top_k)
        if broken := gaps(passages):
            vectors = await self._homes.of(question.tenant_id, question.groups)
            chunks = await vectors.fetch([gap.neighbour for gap in broken])
            passages = completed(passages, broken, chunks)
        return replace(retrieval, passages=tuple(fit(passages, self.context_tokens)))


def with_tokens(evidence: Evidence, tokens: int) -> Evidence:
    """*evidence* with as many embedded *tokens* more."""
    if not tokens:
        return evidence
    tokens += evidence.retrieval.embedding_tokens
    return replace(evidence, retrieval=replace(evidence.retrieval, embedding_tokens=tokens))
