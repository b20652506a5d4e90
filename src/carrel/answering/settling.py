"""The end of a question: what it took is counted, given back and written down, once."""

from dataclasses import dataclass, replace
from datetime import datetime

from carrel.answering.question import Question
from carrel.domain.answer import CacheStatus, FinishReason, TokenUsage
from carrel.domain.tenant import Isolation
from carrel.domain.usage import UsageEvent
from carrel.retrieval.search import Retrieval
from carrel.telemetry import metrics, trace
from carrel.telemetry.stages import Stages
from carrel.usage.ledger import Ledger
from carrel.usage.prices import Prices


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a question ended; not `complete`: its answer failed, or its reader left."""

    at: datetime
    model: str
    cache_status: CacheStatus
    finish_reason: FinishReason
    complete: bool
    usage: TokenUsage


async def settle(question: Question, outcome: Outcome, ledger: Ledger, stages: Stages) -> None:
    """Count *outcome*, give back what its ticket holds, and write its usage event."""
    usage = outcome.usage
    reason = outcome.finish_reason if outcome.complete else "unfinished"
    _measure(outcome, reason, question.isolation, stages)
    stages.facts.update(
        cache=outcome.cache_status,
        finish_reason=reason,
        model=outcome.model,
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        embedding_tokens=usage.embedding_tokens,
        cost_micro_usd=usage.cost_micro_usd,
        saved_micro_usd=usage.saved_micro_usd,
    )
    event = UsageEvent(
        request_id=question.request_id,
        tenant_id=question.tenant_id,
        key_id=question.key_id,
        at=outcome.at,
        route=question.route,
        model=outcome.model,
        cache_status=outcome.cache_status,
        usage=usage,
        unfinished=not outcome.complete,
    )
    with trace.span("settle"):
        try:
            # First: what is in the ledger and still held would count twice.
            if question.ticket is not None:
                await question.ticket.finish(
                    spent_micro_usd=usage.cost_micro_usd or 0,
                    tokens=usage.prompt_tokens + usage.completion_tokens,
                )
        finally:
            ledger.record(event)


def _measure(outcome: Outcome, reason: str, tier: Isolation, stages: Stages) -> None:
    usage = outcome.usage
    metrics.answers.labels(reason, tier).inc()
    for stage, milliseconds in stages.milliseconds.items():
        histogram = (
            metrics.time_to_first_token_seconds.labels(outcome.cache_status, tier)
            if stage == "first_token"
            else metrics.stage_seconds.labels(stage, tier)
        )
        histogram.observe(milliseconds / 1000)
    if usage.prompt_tokens or usage.completion_tokens:
        metrics.answer_tokens.labels("prompt").inc(usage.prompt_tokens)
        metrics.answer_tokens.labels("completion").inc(usage.completion_tokens)
    if usage.cost_micro_usd:
        metrics.spent.labels(tier).inc(usage.cost_micro_usd)


def with_embedding(usage: TokenUsage, retrieval: Retrieval, prices: Prices) -> TokenUsage:
    """*usage* with what its embedded tokens cost; unknown, where the model's price is."""
    if retrieval.embedding_priced_as is None or not usage.embedding_tokens:
        return usage
    cost = prices.cost(retrieval.embedding_priced_as, usage.embedding_tokens, 0)
    if cost is None or usage.cost_micro_usd is None:
        return replace(usage, cost_micro_usd=None)
    return replace(usage, cost_micro_usd=usage.cost_micro_usd + cost)
