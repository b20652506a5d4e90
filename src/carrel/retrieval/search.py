"""From a question to passages, within one tenant.

A passage is returned only while the metadata database says that its version is
the live one: what was deleted or replaced is gone from the next search on.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from carrel.database.engine import Database
from carrel.domain.document import Passage
from carrel.domain.filter import Filter
from carrel.domain.ids import TenantId
from carrel.embedding.embedder import Embedder, Meter
from carrel.embedding.keywords import Keywords
from carrel.embedding.queries import QueryVectors
from carrel.placement.homes import Homes
from carrel.retrieval.fusion import FusedHit, alpha_for, fuse
from carrel.retrieval.relevance import is_relevant
from carrel.retrieval.rerank import Reranking
from carrel.retrieval.visibility import LiveDocument, live_documents
from carrel.vectors.store import StoredChunk, TenantVectors

SPARE = 4  # hits fetched beyond those asked for: enough where a document was just replaced


@dataclass(frozen=True, slots=True)
class Retrieval:
    """The passages of a question, best first; `relevant`: some of them seem to answer it.

    `embedding_tokens` were embedded for it: none where its vector was remembered.
    """

    passages: tuple[Passage, ...]
    relevant: bool
    embedding_tokens: int


class Retriever:
    """Searches on behalf of one tenant at a time.

    *alpha* is the share of keywords in the fused score; None: what suits the embedder.
    *remembered* is how many questions' vectors are kept.
    """

    def __init__(
        self,
        *,
        embedder: Embedder,
        keywords: Keywords,
        homes: Homes,
        database: Database,
        candidates: int,
        alpha: float | None = None,
        remembered: int = 0,
        reranking: Reranking | None = None,
    ) -> None:
        self._embedder = embedder
        self._query_vectors = QueryVectors(embedder, entries=remembered)
        self._keywords = keywords
        self._alpha = alpha_for(embedder.identity) if alpha is None else alpha
        self._reranking = reranking
        self._homes = homes
        self._database = database
        self._candidates = candidates

    async def search(
        self,
        tenant_id: TenantId,
        question: str,
        *,
        top_k: int,
        where: Filter = (),
        groups: Collection[str] = (),
    ) -> Retrieval:
        """The *top_k* best passages among those that *groups* may see.

        Raises:
            Unavailable: the embedder, the vector store or the database is down.
        """
        meter = Meter()
        dense = await self._query_vectors.of(tenant_id, question, meter)
        vectors = await self._homes.of(tenant_id, groups)
        hits = await vectors.search(
            dense,
            self._keywords.embed_query(question),
            limit=max(self._candidates, top_k),
            where=where,
        )
        fused = fuse(hits, alpha=self._alpha)
        read = max(top_k, self._reranking.candidates) if self._reranking else top_k
        passages = await self._visible(tenant_id, groups, vectors, fused, read)
        if self._reranking:
            passages = (await self._reranking.order(question, passages))[:top_k]
        bm25 = self._keywords.for_question(question)
        return Retrieval(
            tuple(passages),
            is_relevant(question, passages, bm25, identity=self._embedder.identity),
            meter.tokens,
        )

    async def _visible(
        self,
        tenant_id: TenantId,
        groups: Collection[str],
        vectors: TenantVectors,
        fused: Sequence[FusedHit],
        top_k: int,
    ) -> list[Passage]:
        """The first *top_k* hits of live versions; all but a few hits are of live ones."""
        passages: list[Passage] = []
        step = top_k + SPARE
        for start in range(0, len(fused), step):
            some = fused[start : start + step]
            chunks = await vectors.fetch([each.chunk_id for each in some])
            found = {chunk.document_id for chunk in chunks.values()}
            live = await live_documents(self._database, tenant_id, found, groups)
            for each in some:
                chunk = chunks.get(each.chunk_id)
                document = live.get(chunk.document_id) if chunk else None
                if chunk and document and document.version == chunk.version:
                    passages.append(_passage(each, chunk, document))
            if len(passages) >= top_k:
                break
        return passages[:top_k]


def _passage(fused: FusedHit, stored: StoredChunk, document: LiveDocument) -> Passage:
    return Passage(
        chunk_id=stored.chunk_id,
        document_id=stored.document_id,
        version=stored.version,
        title=document.title,
        text=stored.chunk.text,
        start=stored.chunk.start,
        end=stored.chunk.end,
        heading=stored.chunk.heading,
        page=stored.chunk.page,
        content_hash=stored.content_hash,
        score=fused.score,
        cosine=fused.cosine,
        bm25=fused.bm25,
        metadata=document.metadata,
    )
