"""One question and its streamed answer, with the times that its reader saw."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Unpack

from carrel.cli.wire import Answer, Cut, Delta, QueryOptions

if TYPE_CHECKING:
    from carrel.cli.client import Client


@dataclass(frozen=True, slots=True)
class Exchange:
    """An answer, and milliseconds from sending the question.

    `first_token_ms` is None when the answer had no text, or came in one piece.
    """

    answer: Answer
    first_token_ms: float | None
    total_ms: float


async def follow(
    client: "Client",
    question: str,
    on_text: Callable[[str], None],
    on_cut: Callable[[], None] = lambda: None,
    **options: Unpack[QueryOptions],
) -> Exchange:
    """Ask, and hand each piece of the answer to *on_text* as it comes.

    *on_cut* is called where the stream was lost, and is being read on.

    Raises:
        ApiError, Unreachable: also half-way, after some text.
    """
    started = time.perf_counter()
    first_token_ms: float | None = None
    answer: Answer | None = None
    async for event in client.stream(question, **options):
        if isinstance(event, Delta):
            if first_token_ms is None:
                first_token_ms = _since(started)
            on_text(event.text)
        elif isinstance(event, Cut):
            on_cut()
        elif isinstance(event, Answer):
            answer = event
    assert answer is not None, "a stream ends with its answer, or raises"
    return Exchange(answer, first_token_ms, _since(started))


async def fetch(client: "Client", question: str, **options: Unpack[QueryOptions]) -> Exchange:
    """Ask, and get the answer in one piece."""
    started = time.perf_counter()
    answer = await client.query(question, **options)
    return Exchange(answer, None, _since(started))


def _since(started: float) -> float:
    return (time.perf_counter() - started) * 1000
