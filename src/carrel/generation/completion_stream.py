"""One answer as it arrives from an upstream: its text, then why and how it ended.

Whatever was written before something went wrong is given out first. Time that
the reader takes is never counted against the upstream.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass

import aiohttp

from carrel.domain.errors import GenerationFailed
from carrel.generation.completion_reader import CompletionReader, MalformedEvent, ReportedError
from carrel.generation.event_stream import EventDecoder, EventTooLarge
from carrel.generation.stall import StallTimer
from carrel.generation.upstream_errors import (
    REFUSED_RETRY_AFTER_SECONDS,
    UpstreamErrors,
    failure,
)
from carrel.telemetry.loop import lateness

# The reader waits for this; a new connection costs no more.
DRAIN_SECONDS = 0.05
# Each event costs the same, however many tokens it has: from so late an event loop on, tokens
# that come within so long a time of each other share one.
BUSY_SECONDS = 0.003
TOGETHER_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long to wait for an upstream, in seconds.

    `first_token` runs from the start of the call, `connect` included.
    """

    connect: float
    first_token: float
    between_tokens: float


class CompletionStream:
    """A response under way; `close` it whatever happens.

    `deadline` is when the first token must have arrived, and `latest` when all of the answer
    must, in the event loop's time.
    """

    def __init__(
        self,
        response: aiohttp.ClientResponse,
        *,
        timeouts: Timeouts,
        deadline: float,
        latest: float,
        errors: UpstreamErrors,
    ) -> None:
        self._response = response
        self._timeouts = timeouts
        self._deadline = deadline
        self._latest = latest
        self._errors = errors
        self._decoder = EventDecoder()
        # Closing the response wakes the read that waits on it.
        self._timer = StallTimer(response.close, latest)
        self._begun = False
        self._at_end = False
        self._failure: GenerationFailed | None = None
        self._cause: Exception | None = None
        self.reader = CompletionReader()

    async def next_text(self) -> str | None:
        """What has arrived since the last call, at least one character; None at the end.

        Raises:
            GenerationFailed: the upstream failed, stalled, or withheld the rest.
        """
        if self._begun:
            self._timer.wait(self._timeouts.between_tokens)
        else:
            self._timer.wait_until(self._deadline)
        while not self._at_end:
            text = self._read(await self._next_events())
            if text:
                self._begun = True
                self._timer.pause()
                return text
            if self.reader.thinking:
                self.reader.thinking = False
                self._begun = True
                self._timer.wait(self._timeouts.between_tokens)
        self._timer.stop()
        if failed := self._failure or self._verdict():
            failed.billable = True
            raise failed from self._cause
        return None

    async def drain(self) -> None:
        """Read what follows the end, for a moment, so that the connection can be used again."""
        with suppress(aiohttp.ClientError, OSError, RuntimeError):  # TimeoutError is an OSError
            async with asyncio.timeout(DRAIN_SECONDS):
                while await self._response.content.readany():
                    pass

    def close(self) -> None:
        """Let go of the connection; an upstream that is still writing is cut."""
        self._timer.stop()
        self._response.close()

    async def _next_events(self) -> list[bytes]:
        try:
            chunk = await self._next_chunk()
            if chunk:
                return self._decoder.feed(chunk)
        except EventTooLarge as error:
            too_large = "the language model sent an event that is too large"
            self._fail(failure("bad_response", too_large), error)
            return []
        except (aiohttp.ClientError, OSError, RuntimeError) as error:
            self._cause = error  # RuntimeError: the connection was closed between two reads
        self._at_end = True
        return self._decoder.flush()

    async def _next_chunk(self) -> bytes:
        """What has arrived; in a process that is busy, together with what comes right after it."""
        content = self._response.content
        chunk = await content.readany()
        if chunk and self._begun and lateness.seconds >= BUSY_SECONDS:
            self._timer.pause()
            await asyncio.sleep(TOGETHER_SECONDS)
            with suppress(aiohttp.ClientError, OSError, RuntimeError):  # the next read says so, too
                chunk += content.read_nowait()
        return chunk

    def _read(self, events: list[bytes]) -> str:
        text = ""
        try:
            for data in events:
                text += self.reader.read(data)
                if self.reader.done:
                    self._at_end = True
                    break
        except ReportedError as error:
            self._fail(self._errors.from_report(error.error), error)
        except MalformedEvent as error:
            no_chunk = "the language model sent an event that is no part of a completion"
            self._fail(failure("bad_response", no_chunk), error)
        return text

    def _fail(self, failed: GenerationFailed, cause: Exception) -> None:
        self._failure, self._cause = failed, cause
        self._at_end = True

    def _verdict(self) -> GenerationFailed | None:
        """What is wrong with how the stream ended; None if the answer is whole.

        A stream that breaks or stalls after the last token costs only the
        usage report, and is no failure.
        """
        if self.reader.finish_reason == "content_filter":
            return failure(
                "withheld",
                "the language model's provider withheld the answer (content filter): "
                "rephrase the question",
                REFUSED_RETRY_AFTER_SECONDS,
            )
        if self.reader.complete:
            return None
        if not self._timer.stalled:
            return failure(
                "upstream_error", "the language model's stream broke off before its end: try again"
            )
        if asyncio.get_running_loop().time() >= self._latest:
            return out_of_time()
        if self._begun:
            return failure(
                "timeout_between_tokens",
                "the language model stopped in the middle of its answer, for more than "
                f"{self._timeouts.between_tokens:g} s: try again",
            )
        return no_first_token(self._timeouts)


def out_of_time() -> GenerationFailed:
    """The failure of an answer that takes longer than one may."""
    failed = failure(
        "timeout_total", "the answer was not finished in the time that it may take: try again"
    )
    failed.billable = True
    return failed


def no_first_token(timeouts: Timeouts) -> GenerationFailed:
    """The failure of an upstream that is connected, and silent."""
    failed = failure(
        "timeout_first_token",
        f"the language model did not begin its answer within {timeouts.first_token:g} s: "
        "it is slow or overloaded; try again later",
    )
    failed.billable = True  # it may have been reading the prompt all that time
    return failed
