"""Vectors of questions that were asked a moment ago, kept by each process.

A question is remembered for the tenant that asked it, and for no other. The vector
would be the same, but whoever found one there would learn, by the time it took, that
another tenant had asked the same.
"""

import hashlib
from collections import OrderedDict

from carrel.domain.ids import TenantId
from carrel.domain.vector import DenseVector
from carrel.embedding.embedder import Embedder, Meter
from carrel.telemetry import metrics


class QueryVectors:
    """The vectors of one embedder's questions; at most *entries* are remembered, 0: none.

    What was asked is kept as a hash. Texts are told apart by their every character: a
    capital or a space may change a vector.
    """

    def __init__(self, embedder: Embedder, *, entries: int) -> None:
        self._embedder = embedder
        self._entries = entries
        self._vectors: OrderedDict[bytes, DenseVector] = OrderedDict()

    async def of(self, tenant_id: TenantId, text: str, meter: Meter) -> DenseVector:
        """The vector of *text*; one that is remembered costs no tokens.

        Raises:
            Unavailable, InvalidRequest: as the embedder does.
        """
        if not self._entries:
            return await self._embedder.embed_query(text, meter)
        key = hashlib.sha256(f"{tenant_id}\0{text}".encode()).digest()
        vector = self._vectors.get(key)
        metrics.query_vectors.labels("miss" if vector is None else "hit").inc()
        if vector is None:
            vector = await self._embedder.embed_query(text, meter)
            self._vectors[key] = vector
            if len(self._vectors) > self._entries:
                self._vectors.popitem(last=False)
        self._vectors.move_to_end(key)
        return vector
