"""One answer for all who ask the same at the same time: one caller leads, the others follow.

What the leader's question sets in motion is a generation, which goes on while anyone reads
it, whoever asked first. Its leader pays; those who follow are given the answer for nothing.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime

import msgspec

from carrel.answering.events import Done, Event, Placed, Restart, Sources
from carrel.answering.kept_question import KeptQuestion, as_asked, as_kept
from carrel.answering.log import Merged, encoded, event_of
from carrel.answering.question import Question
from carrel.answering.settling import Outcome, settle
from carrel.domain.answer import Answer, TokenUsage
from carrel.domain.errors import (
    BudgetExhausted,
    CarrelError,
    GenerationFailed,
    NotFound,
    RateLimited,
    Unavailable,
)
from carrel.domain.ids import AnswerId, TenantId, answer_of, generation_of
from carrel.generation.generator import Delta
from carrel.generations.errors import Failed, Unfinished
from carrel.generations.events import START, EndReason, Offset
from carrel.generations.flight import Writer
from carrel.generations.generations import Generations
from carrel.generations.reader import Reader
from carrel.telemetry import metrics
from carrel.telemetry.stages import Stages
from carrel.usage.ledger import Ledger

DETACHED_SECONDS = 600.0  # the longest that an answer is written for nobody

Produce = Callable[[AnswerId], AsyncGenerator[Event]]
Check = Callable[[Sources], Awaitable[None]]

_encode = msgspec.msgpack.Encoder().encode


class _Fault(msgspec.Struct):
    """What went wrong for a leader, as its followers are told. `own`: it need not for others."""

    message: str
    own: bool = False
    reason: str | None = None
    retry_after_seconds: int = 1


class AnswerCutOff(Unavailable):
    """Nobody writes the answer any more, for *reason*; it can be resumed."""

    def __init__(self, reason: EndReason) -> None:
        super().__init__(f"the answer was cut off ({reason}): resume it, or ask again")


class SharedAnswers:
    """Answers that several callers read, over *generations*; *model* writes them."""

    def __init__(self, generations: Generations, ledger: Ledger, *, model: str) -> None:
        self._generations = generations
        self._ledger = ledger
        self._model = model
        self._holding: set[asyncio.Task[None]] = set()
        self._read_here: Counter[tuple[TenantId, str]] = Counter()

    def is_read(self, tenant_id: TenantId, name: str) -> bool:
        """Whether the answer called *name* is being read in this process: one more is free."""
        return (tenant_id, name) in self._read_here

    async def events(
        self, question: Question, name: str, produce: Produce, stages: Stages
    ) -> AsyncGenerator[Placed]:
        """The events of the answer that is called *name*: this caller's, or those of who leads.

        *produce* makes them, if this caller is to lead, now or after a leader's death. Where
        what was given so far is void, `Restart` comes first.

        Raises:
            Unavailable, GenerationFailed, BudgetExhausted: as `produce` does.
        """
        leading = _Leading(question, produce)
        place = question.tenant_id, name
        self._read_here[place] += 1
        about = as_kept(question)
        try:
            while True:
                joining = self._generations.join(question.tenant_id, name, leading.start, about)
                reading = self._read(question, joining, leading, stages)
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

    async def asked(self, tenant_id: TenantId, answer_id: AnswerId) -> KeptQuestion | None:
        """What the answer of that id is being written to, or was not long ago; None: nothing.

        Raises:
            Unavailable: it can't be known now.
        """
        try:
            about = await self._generations.about(tenant_id, generation_of(answer_id))
            return as_asked(about)
        except (NotFound, msgspec.DecodeError):
            return None

    async def resumed(
        self,
        question: Question,
        answer_id: AnswerId,
        produce: Produce,
        *,
        after: Offset,
        check: Check,
    ) -> AsyncGenerator[Placed]:
        """The events after *after* of an answer that was begun before, here or elsewhere.

        *check* sees what it is written from before anything is given. *question* is what this
        caller leads with, by *produce*, if nobody writes it any more; else it costs nothing.

        Raises:
            NotFound: there is no such answer, or no longer.
            AnswerCutOff, GenerationFailed, BudgetExhausted: as `events` does.
        """
        leading = _Leading(question, produce)
        generation_id = generation_of(answer_id)
        following = self._generations.follow(
            question.tenant_id, generation_id, START, leading.start
        )
        with await following as reader:
            try:
                async for item in Merged(reader):
                    event = event_of(item)
                    if isinstance(event, Sources):
                        await check(event)
                        if reader.position.attempt == after.attempt:
                            reader.position = max(after, reader.position)
                            if after >= item.offset:
                                continue
                        elif after != START:
                            yield Placed(Restart(), Offset(item.offset.attempt, 0))
                    elif isinstance(event, Restart):
                        after = item.offset  # what comes now was not read by anyone
                    yield Placed(event, item.offset)
            except (Failed, Unfinished) as end:
                reason = _reason(end, leading)
                if isinstance(reason, _LeadersOwnFault):
                    reason = Unavailable("the answer was not written: ask again")
                raise reason from None

    async def _read(
        self, question: Question, joining: Awaitable[Reader], leading: "_Leading", stages: Stages
    ) -> AsyncGenerator[Placed]:
        done: Placed | None = None
        answer: Answer | None = None
        led = False
        try:
            with await joining as reader:
                if question.detached:
                    await self._hold(question, reader, leading)
                async for item in Merged(reader):
                    led = reader.leads
                    event = event_of(item)
                    if isinstance(event, Done):
                        done, answer = Placed(event, item.offset), event.answer
                        break
                    if isinstance(event, Delta):
                        stages.mark("first_token")
                    yield Placed(event, item.offset)
        except (Failed, Unfinished) as end:
            led = led or leading.fault is not None
            raise _reason(end, leading) from None
        finally:
            if not led:
                answer = await self._settle_follower(question, answer, stages)
        if done is not None and answer is not None:
            yield Placed(Done(answer), done.offset)

    async def _hold(self, question: Question, reader: Reader, leading: "_Leading") -> None:
        """Have the generation written to its end, whoever leaves."""
        with contextlib.suppress(CarrelError):  # it is over already
            held = await self._generations.follow(
                question.tenant_id, reader.generation_id, START, leading.start
            )
            task = asyncio.create_task(_until_over(held))
            self._holding.add(task)
            task.add_done_callback(self._holding.discard)

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


async def _until_over(held: Reader) -> None:
    with contextlib.suppress(TimeoutError), held:
        async with asyncio.timeout(DETACHED_SECONDS):
            await held.over()


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
            async with aclosing(self._produce(answer_of(log.generation_id))) as events:
                async for event in events:
                    await log.write(encoded(event))
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


def _reason(end: Failed | Unfinished, leading: _Leading) -> Exception:
    if isinstance(end, Unfinished):
        return AnswerCutOff(end.reason)
    return leading.fault or _error(end.payload)


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
