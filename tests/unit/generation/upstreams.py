"""Several upstreams for one answer: simulators, with a fallback generator over them."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from typing import Any

from bench.simulator import Behaviour, Simulator
from tests.unit.generation.scripted_upstream import generator_for, question

from carrel.generation.fallback.generator import FallbackGenerator
from carrel.generation.fallback.member import Member, Standings, Terms
from carrel.generation.generator import Asking, Delta, Finish, GenerationRequest

FAST = Behaviour(ttft_ms=0, tokens_per_second=0, tokens=10)
DOWN = Behaviour(status=500)
SILENT = Behaviour(ttft_ms=60_000)


def member(
    base_url: str, name: str = "first", standings: Standings | None = None, **changes: Any
) -> Member:
    """A member at *base_url*; *changes* are of its terms, its timeouts and its pause."""
    timeouts = {key: changes.pop(key) for key in [*changes] if key.endswith("timeout_seconds")}
    pause = {key: changes.pop(key) for key in [*changes] if key == "pause_seconds"}
    model = changes.pop("model", f"model-{name}")
    upstream = generator_for(base_url, model=model, **timeouts)
    return Member(upstream, Terms(name=name, **changes), standings, **pause)


@asynccontextmanager
async def fallback(*members: Member, **options: Any) -> AsyncIterator[FallbackGenerator]:
    generator = FallbackGenerator(members, **options)
    try:
        yield generator
    finally:
        await generator.close()


@asynccontextmanager
async def simulators(*behaviours: Behaviour) -> AsyncIterator[list[Simulator]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(Simulator(each)) for each in behaviours]


async def answered(
    generator: FallbackGenerator, request: GenerationRequest | None = None
) -> tuple[list[Asking], str, Finish]:
    """Who was asked in another's place, the text, and the end."""
    askings: list[Asking] = []
    text = ""
    async with aclosing(generator.generate(request or question())) as parts:
        async for part in parts:
            if isinstance(part, Finish):
                return askings, text, part
            if isinstance(part, Delta):
                text += part.text
            else:
                assert not text, "a reader has the beginning of another answer"
                askings.append(part)
    raise AssertionError("an answer ends in Finish, or raises")
