"""From a question to passages, within one tenant.

A passage is returned only while the metadata database says that its version is
the live one: what was deleted or replaced is gone from the next search on.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from carrel.database.engine import Database
from carrel.domain.document import Passage
from carrel.domain.errors import Unavailable
from carrel.domain.filter import Filter
from carrel.domain.ids import TenantId
from carrel.domain.vector import DenseVector
from carrel.embedding.embedder import Embedder, Meter
from carrel.embedding.keywords import Keywords
from carrel.embedding.queries import QueryVectors
from carrel.placement.homes import Homes
from carrel.retrieval.fusion import FusedHit, Fusion, fuse, fusion_for
from carrel.retrieval.relevance import is_relevant
from carrel.retrieval.rerank import Reranking
from carrel.retrieval.visibility import LiveDocument, live_documents
from carrel.telemetry import metrics
from carrel.telemetry.stages import timed
from carrel.vectors.store import StoredChunk, TenantVectors

_EMBED, _SEARCH, _VISIBLE = (
    metrics.retrieval_seconds.labels(step) for step in ("embed", "search", "visible")
)
SPARE = 4  # hits fetched beyond those asked for: enough where a document was just replaced


@dataclass(frozen=True, slots=True)
class Retrieval:
    """The passages of a question, best first; `relevant`: some of them seem to answer it.

    `embedding_tokens` were embedded for it, by the model `embedding_priced_as`: none where its
    vector was remembered.
    """

    passages: tuple[Passage, ...]
    relevant: bool
    embedding_tokens: int
    embedding_priced_as: str | None = None


@dataclass(frozen=True, slots=True)
class _Space:
    """How questions are put to the vectors of one embedder."""

    embedder: Embedder
    queries: QueryVectors
    fusion: Fusion


class Retriever:
    """Searches on behalf of one tenant at a time.

    *embedders* by identity: a tenant's questions are embedded as its chunks were. *alpha* is the
    share of keywords in the fused score; None: what suits the embedder. *remembered* is how many
    questions' vectors are kept.
    """

    def __init__(
        self,
        *,
        embedders: Mapping[str, Embedder],
        keywords: Keywords,
        homes: Homes,
        database: Database,
        candidates: int,
        alpha: float | None = None,
        remembered: int = 0,
        reranking: Reranking | None = None,
    ) -> None:
        self._spaces = {
            identity: _Space(
                embedder,
                QueryVectors(embedder, entries=remembered),
                _fusion(identity, alpha),
            )
            for identity, embedder in embedders.items()
        }
        self._keywords = keywords
        self._reranking = reranking
        self._homes = homes
        self._database = database
        self._candidates = candidates

    async def embed(
        self, tenant_id: TenantId, question: str, meter: Meter
    ) -> tuple[DenseVector, str]:
        """The question's vector, and the identity of the tenant's embedder, which made it.

        A search for the same question right after does not make it again.

        Raises:
            Unavailable: the embedder or the database is down.
        """
        home = await self._homes.remembered(tenant_id)
        space = self._spaces.get(home.embedder)
        if space is None:
            raise Unavailable("the embedder of this tenant is not configured")
        return await space.queries.of(tenant_id, question, meter), home.embedder

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
        home = await self._homes.remembered(tenant_id)
        vectors = self._homes.at(home, tenant_id, groups)
        space = self._spaces[home.embedder]  # `at` has seen that the settings name it
        with timed(_EMBED, "embed"):
            dense = await space.queries.of(tenant_id, question, meter)
        with timed(_SEARCH, "search"):
            hits = await vectors.search(
                dense,
                self._keywords.embed_query(question),
                limit=max(self._candidates, top_k),
                where=where,
            )
        fused = fuse(hits, space.fusion)
        read = max(top_k, self._reranking.candidates) if self._reranking else top_k
        with timed(_VISIBLE, "visible"):
            passages = await self._visible(tenant_id, groups, vectors, fused, read)
        if self._reranking:
            passages = (await self._reranking.order(question, passages))[:top_k]
        bm25 = self._keywords.for_question(question)
        return Retrieval(
            tuple(passages),
            is_relevant(question, passages, bm25, identity=space.embedder.identity),
            meter.tokens,
            space.embedder.priced_as,
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


def _fusion(identity: str, alpha: float | None) -> Fusion:
    suits = fusion_for(identity)
    return suits if alpha is None else suits._replace(alpha=alpha)


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
