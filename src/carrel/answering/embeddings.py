"""Vectors for callers of their own: limited, paid and accounted for as answers are."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from carrel.answering.spending import OPERATOR_SECONDS, PROMPT_MARGIN
from carrel.domain.answer import TokenUsage
from carrel.domain.errors import InvalidRequest, Unavailable
from carrel.domain.ids import KeyId, RequestId, TenantId
from carrel.domain.usage import UsageEvent
from carrel.domain.vector import DenseVector
from carrel.embedding.embedder import Embedder, Meter
from carrel.limits.ticket import Ticket
from carrel.usage.ledger import Ledger
from carrel.usage.prices import Prices, without_a_price

MAX_TOKENS = 65_536  # in one request
LONGEST_TOKEN = 8  # characters, on average over a text
ROUTE = "/v1/embeddings"


@dataclass(frozen=True, slots=True)
class Order:
    """Texts that a caller wants embedded: as documents are, or as questions are."""

    tenant_id: TenantId
    key_id: KeyId
    request_id: RequestId
    ticket: Ticket
    texts: Sequence[str]
    as_questions: bool = False


class Embeddings:
    """Embeds with the deployment's *embedder*, whose model callers know as *model*."""

    def __init__(self, embedder: Embedder, prices: Prices, ledger: Ledger, *, model: str) -> None:
        self._embedder = embedder
        self._prices = prices
        self._ledger = ledger
        self.model = model

    @property
    def dimensions(self) -> int:
        return self._embedder.dimensions

    async def embed(self, order: Order) -> tuple[list[DenseVector], int]:
        """Their vectors, in their order, and how many tokens they have.

        Raises:
            InvalidRequest: there are too many tokens, or the model will not have a text.
            RateLimited, BudgetExhausted: a limit is reached.
            Unavailable: the model does not answer, or its price is not known and has to be.
        """
        estimate = await self._count(order.texts)
        await order.ticket.admit(estimate)
        await self._reserve(order.ticket, estimate)
        meter = Meter()
        try:
            if order.as_questions:
                vectors = [await self._embedder.embed_query(text, meter) for text in order.texts]
            else:
                vectors = await self._embedder.embed_documents(order.texts, meter)
        except BaseException:
            if meter.tokens:
                await self._settle(order, meter.tokens, complete=False)
            raise
        await self._settle(order, meter.tokens, complete=True)
        return vectors, meter.tokens

    async def _count(self, texts: Sequence[str]) -> int:
        tokens = 0
        if sum(map(len, texts)) <= MAX_TOKENS * LONGEST_TOKEN:  # else there is no need to count
            tokens = await asyncio.to_thread(lambda: sum(map(self._embedder.count_tokens, texts)))
        if not 0 < tokens <= MAX_TOKENS:
            raise InvalidRequest(f"input has at most {MAX_TOKENS:,} tokens", param="input")
        return tokens

    async def _reserve(self, ticket: Ticket, tokens: int) -> None:
        name = self._embedder.priced_as
        if name is None or not ticket.has_budget:
            return
        price = self._prices.of(name)
        if price is None:
            raise Unavailable(without_a_price(name), retry_after_seconds=OPERATOR_SECONDS)
        if cost := price.cost(int(tokens * PROMPT_MARGIN) + 1, 0):
            await ticket.reserve(cost, cost)

    async def _settle(self, order: Order, tokens: int, *, complete: bool) -> None:
        name = self._embedder.priced_as
        cost = self._prices.cost(name, tokens, 0) if name else 0
        try:
            await order.ticket.finish(spent_micro_usd=cost or 0, tokens=tokens)
        finally:
            self._ledger.record(
                UsageEvent(
                    request_id=order.request_id,
                    tenant_id=order.tenant_id,
                    key_id=order.key_id,
                    at=datetime.now(UTC),
                    route=ROUTE,
                    model=self.model,
                    cache_status="miss",
                    usage=TokenUsage(embedding_tokens=tokens, cost_micro_usd=cost),
                    unfinished=not complete,
                )
            )
