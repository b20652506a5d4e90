"""Answers by several upstreams: one after the other, until one has begun.

The next is asked only before the first token: a reader has no use for the ends of two
answers. Each is asked at most once for an answer, and others than the first out of a
budget of retries, so that an outage is not answered with twice the load.
"""

import asyncio
import random
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import replace
from math import ceil

from carrel.domain.answer import Message
from carrel.domain.errors import GenerationFailed
from carrel.generation.fallback.member import Member, Obstacle
from carrel.generation.generator import Asking, Delta, Finish, GenerationRequest
from carrel.remote.retrying import RetryBudget
from carrel.telemetry import metrics

RETRY_SHARE = 0.2
TOTAL_SECONDS = 600.0
# After two prompts that may be charged for, a third would be a gamble with the tenant's money.
PROMPTS_AT_MOST = 2
_FULL = "the language model is writing as many answers as it may at once: try again"
# Another upstream must not be asked what a provider's filter withheld, nor while stopping.
_FINAL = frozenset({"withheld", "closed", "timeout_total"})


class FallbackGenerator:
    """A `Generator` over *members*, which are closed with it.

    *total_seconds* are for an answer with all attempts at it. *draw* gives numbers from 0 to 1.
    """

    def __init__(
        self,
        members: Sequence[Member],
        *,
        total_seconds: float = TOTAL_SECONDS,
        retry_share: float = RETRY_SHARE,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._members = sorted(members, key=lambda m: (m.terms.priority, -m.terms.weight))
        self._total_seconds = total_seconds
        self._budget = RetryBudget(retry_share)
        self._draw = draw

    @property
    def model(self) -> str:
        return self.models[0]

    @property
    def models(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(member.model for member in self._members))

    @property
    def prompts_at_most(self) -> int:
        return min(PROMPTS_AT_MOST, len(self._members))

    @property
    def capacity(self) -> int:
        """How many answers all upstreams may write at once."""
        return sum(member.terms.max_concurrency for member in self._members)

    def prompt_tokens(self, request: GenerationRequest) -> int:
        return self._members[0].upstream.prompt_tokens(request)

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[Asking | Delta | Finish]:
        """Deltas as they arrive, then one `Finish`; see the port."""
        latest = min(request.deadline, asyncio.get_running_loop().time() + self._total_seconds)
        asked = request.model or self.model
        failed: GenerationFailed | None = None
        charged = False
        self._budget.earn()
        for member in self._free(request.model):
            if failed and not self._retry():
                break
            attempt = await member.enter()
            if attempt is None:
                continue
            try:
                with member.asked(attempt):
                    if failed or member.model != asked:
                        asked = member.model
                        yield Asking(asked, charged=failed is not None and failed.billable)
                    asking = replace(request, model=member.model, deadline=latest)
                    async with aclosing(member.upstream.generate(asking)) as parts:
                        async for part in parts:
                            attempt.note(part)
                            yield part
            except GenerationFailed as error:
                if attempt.begun or error.reason in _FINAL or (charged and error.billable):
                    raise
                failed, charged = error, charged or error.billable
            else:
                return
        raise failed or self._refusal(request.model)

    async def complete(self, messages: Sequence[Message], *, max_tokens: int) -> tuple[str, Finish]:
        """What the first upstream that may be asked writes to *messages*, and the end.

        Raises:
            GenerationFailed: it refused, failed or stalled, or none may be asked.
        """
        for member in self._free(None):
            attempt = await member.enter()
            if attempt is None:
                continue
            with member.asked(attempt):
                text, finish = await member.upstream.complete(messages, max_tokens=max_tokens)
                attempt.note(finish)
                return text, finish
        raise self._refusal(None)

    async def close(self) -> None:
        for member in self._members:
            await member.upstream.close()

    def _free(self, model: str | None) -> Iterator[Member]:
        """The upstreams that may be asked, in turn, each looked at when its turn comes."""
        for member in self._in_order(model):
            if obstacle := member.obstacle():
                metrics.upstream_passed_over.labels(member.terms.name, obstacle.why).inc()
            else:
                yield member

    def _retry(self) -> bool:
        """Whether another upstream may be asked after a failure."""
        spent = self._budget.spend()
        metrics.upstream_retries.labels("made" if spent else "refused").inc()
        return spent

    def _in_order(self, model: str | None) -> list[Member]:
        """By priority; within one, drawn by weight (Efraimidis and Spirakis, 2006)."""
        drawn = [
            (member.terms.priority, -(self._draw() ** (1 / member.terms.weight)), number)
            for number, member in enumerate(self._members)
            if model is None or member.model == model
        ]
        return [self._members[number] for _, _, number in sorted(drawn)]

    def _refusal(self, model: str | None) -> GenerationFailed:
        """Why nobody was asked: what will be over first."""
        # One that became free meanwhile was not, a moment ago.
        obstacles = [each.obstacle() or Obstacle("full") for each in self._in_order(model)]
        first = min(obstacles, key=lambda each: each.seconds)
        seconds = max(1, ceil(first.seconds))
        said = {
            "waiting": f"the language model is limiting requests: try again in {seconds} s",
            "open": first.said,
            "full": _FULL,
        }[first.why]
        return GenerationFailed(said, reason=first.why, retry_after_seconds=seconds)
