"""One answer for all who ask the same at the same time: one caller leads, the others follow.

What the leader's question sets in motion is a generation, which goes on while anyone reads
it, whoever asked first. Its leader pays; those who follow are given the answer for nothing.
"""

from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime

import msgspec

from carrel.answering.events import Done, Event, Restart, Sources
from carrel.answering.question import Question
from carrel.answering.settling import Outcome, settle
from carrel.domain.answer import Answer, TokenUsage
from carrel.domain.errors import (
    BudgetExhausted,
    CarrelError,
    GenerationFailed,
    RateLimited,
    Unavailable,
)
from carrel.domain.ids import TenantId
from carrel.generation.generator import Delta
from carrel.generations.errors import Failed, Unfinished
from carrel.generations.events import Event as Written
from carrel.generations.flight import Writer
from carrel.generations.generations import Generations
from carrel.telemetry import metrics
from carrel.telemetry.stages import Stages
from carrel.usage.ledger import Ledger

Produce = Callable[[], AsyncGenerator[Event]]

_SOURCES, _DELTA, _DONE = b"s", b"t", b"d"
_encode = msgspec.msgpack.Encoder().encode
_decode_sources = msgspec.msgpack.Decoder(Sources).decode
_decode_answer = msgspec.msgpack.Decoder(Answer).decode


class _Fault(msgspec.Struct):
    """What went wrong for a leader, as its followers are told. `own`: it need not for others."""

    message: str
    own: bool = False
    reason: str | None = None
    retry_after_seconds: int = 1


class SharedAnswers:
    """Answers that several callers read, over *generations*; *model* writes them."""

    def __init__(self, generations: Generations, ledger: Ledger, *, model: str) -> None:
        self._generations = generations
        self._ledger = ledger
        self._model = model
        self._read_here: Counter[tuple[TenantId, str]] = Counter()

    def is_read(self, tenant_id: TenantId, name: str) -> bool:
        """Whether the answer called *name* is being read in this process: one more is free."""
        return (tenant_id, name) in self._read_here

    async def events(
        self, question: Question, name: str, produce: Produce, stages: Stages
    ) -> AsyncGenerator[Event]:
        """The events of the answer that is called *name*: this caller's, or those of who leads.

        *produce* makes them, if this caller is to lead, now or after a leader's death. Where
        what was given so far is void, `Restart` comes first.

        Raises:
            Unavailable, GenerationFailed, BudgetExhausted: as `produce` does.
        """
        leading = _Leading(question, produce)
        place = question.tenant_id, name
        self._read_here[place] += 1
        try:
            while True:
                reading = self._read(question, name, leading, stages)
                try:
                    async with aclosing(reading):
                        async for event in reading:
                            yield event
                except _LeadersOwnFault:
                    continue  # which is none of ours: ask again
                return
        finally:
            self._read_here[place] -= 1
            if not self._read_here[place]:
                del self._read_here[place]

    async def _read(
        self, question: Question, name: str, leading: "_Leading", stages: Stages
    ) -> AsyncGenerator[Event]:
        answer: Answer | None = None
        led = False
        try:
            with await self._generations.join(question.tenant_id, name, leading.start) as reader:
                async for item in reader:
                    led = reader.leads
                    if not isinstance(item, Written):
                        yield Restart()
                        continue
                    event = _decoded(item.data)
                    if isinstance(event, Done):
                        answer = event.answer
                        break
                    if isinstance(event, Delta):
                        stages.mark("first_token")
                    yield event
        except Failed as failure:
            led = led or leading.fault is not None
            raise leading.fault or _error(failure.payload) from None
        except Unfinished as end:
            raise Unavailable(f"the answer was cut off ({end.reason}): ask again") from None
        finally:
            if not led:
                answer = await self._settle_follower(question, answer, stages)
        if answer is not None:
            yield Done(answer)

    async def _settle_follower(
        self, question: Question, answer: Answer | None, stages: Stages
    ) -> Answer | None:
        """Account for a caller whose answer another one pays for; the answer as it is given."""
        given = _as_shared(answer) if answer else None
        outcome = Outcome(
            at=datetime.now(UTC),
            model=given.model if given else self._model,
            cache_status="shared",
            finish_reason=given.finish_reason if given else "stop",
            complete=given is not None,
            usage=given.usage if given else TokenUsage(),
        )
        if given is not None:
            metrics.cache_lookups.labels("shared", "hit").inc()
            metrics.cache_saved.labels("shared").inc(given.usage.saved_micro_usd)
        await settle(question, outcome, self._ledger, stages)
        return given


class _LeadersOwnFault(Exception):
    """The leader could not pay, or was over a limit: others may."""


class _Leading:
    """What this caller does if it leads: *produce* an answer into the log."""

    def __init__(self, question: Question, produce: Produce) -> None:
        self._question = question
        self._produce = produce
        self.fault: Exception | None = None

    async def start(self, log: Writer) -> None:
        ticket = self._question.ticket
        if ticket:
            ticket.keep()  # the request may end before the generation does
        try:
            async with aclosing(self._produce()) as events:
                async for event in events:
                    await log.write(_encoded(event))
        except CarrelError as error:
            self.fault = error
            raise Failed(_encode(_fault(error))) from error
        finally:
            if ticket:
                await ticket.finish()


def _as_shared(answer: Answer) -> Answer:
    saved = answer.usage.saved_micro_usd + (answer.usage.cost_micro_usd or 0)
    status = "shared" if answer.cache_status == "miss" else answer.cache_status
    return replace(answer, cache_status=status, usage=TokenUsage(saved_micro_usd=saved))


def _encoded(event: Event) -> bytes:
    if isinstance(event, Delta):
        return _DELTA + event.text.encode()
    if isinstance(event, Sources):
        return _SOURCES + _encode(event)
    assert isinstance(event, Done)
    return _DONE + _encode(event.answer)


def _decoded(data: bytes) -> Event:
    kind, payload = data[:1], data[1:]
    if kind == _DELTA:
        return Delta(payload.decode())
    return _decode_sources(payload) if kind == _SOURCES else Done(_decode_answer(payload))


def _fault(error: CarrelError) -> _Fault:
    return _Fault(
        message=error.message,
        own=isinstance(error, BudgetExhausted | RateLimited),
        reason=error.reason if isinstance(error, GenerationFailed) else None,
        retry_after_seconds=getattr(error, "retry_after_seconds", 1),
    )


def _error(payload: bytes) -> Exception:
    """The error of a leader elsewhere."""
    if not payload:
        return Unavailable("the answer failed; ask again")
    fault = msgspec.msgpack.decode(payload, type=_Fault)
    if fault.own:
        return _LeadersOwnFault()
    if fault.reason is not None:
        return GenerationFailed(
            fault.message, reason=fault.reason, retry_after_seconds=fault.retry_after_seconds
        )
    return Unavailable(fault.message, retry_after_seconds=fault.retry_after_seconds)
