"""What the server adds to an answer of an LLM: authentication, retrieval, prompt, relay, account.

The server and the LLM are asked in turn within one run (A B A B …), with the
same prompts, so what else the machine does meets both. "Added" is the
difference of two quantiles.
"""

import asyncio
from dataclasses import dataclass, field

import aiohttp
from bench.measure import Figure, Run
from bench.micro import text
from bench.micro.latency import quantile_ms
from bench.micro.scrape import mean_stage_ms, scrape
from bench.micro.served import Served, load, served
from bench.micro.upstream import (
    MODEL,
    Streamed,
    ask,
    ask_directly,
    direct_request,
    prompt_tokens,
    simulator,
)

CHUNKS = 1_000
DOCUMENTS = 48
TTFT_MS = 20
TOKENS = 64
CLIENTS = 16
WARM_UP = 20


@dataclass(slots=True)
class Pairs:
    """The same questions, asked both ways."""

    through: list[Streamed] = field(default_factory=list[Streamed])
    directly: list[Streamed] = field(default_factory=list[Streamed])

    def figures(self, suffix: str = "") -> list[Figure]:
        figures: list[Figure] = []
        for name, pick in (("first delta", _first), ("whole answer", _total)):
            with_server = [pick(each) for each in self.through]
            without = [pick(each) for each in self.directly]
            for label, share in (("p50", 0.5), ("p99", 0.99)):
                a, b = quantile_ms(with_server, share), quantile_ms(without, share)
                note = f"{a:.1f} against {b:.1f}, {len(with_server)} answers each"
                figures.append(Figure(f"added to {name}, {label}{suffix}", a - b, "ms", note))
        return figures


async def measure(run: Run) -> list[Figure]:
    """Milliseconds added with one client, and with several; the stages of an answer."""
    async with (
        simulator(ttft_ms=TTFT_MS, tokens_per_second=0, tokens=TOKENS) as base_url,
        served(
            run.folder,
            {
                "CARREL_LLM__BASE_URL": base_url,
                "CARREL_LLM__MODEL": MODEL,
                "CARREL_PRICES": f'{{"{MODEL}": {{"input": 0.15, "output": 0.6}}}}',
            },
        ) as it,
    ):
        run.say("ingesting")
        loaded = await load(it.tenant, (text.document(n) for n in range(DOCUMENTS)))
        asker = _Asker(it, base_url)
        await asker.pairs(WARM_UP)
        before = await scrape(it.admin)
        run.say("one client")
        alone = await asker.pairs(50 if run.quick else 500)
        stages = mean_stage_ms(before, await scrape(it.admin))
        run.say(f"{CLIENTS} clients")
        figures = alone.figures()
        figures += [
            Figure(f"stage {stage}, mean", spent, "ms", _STAGES.get(stage, ""))
            for stage, spent in stages.items()
        ]
        figures += await asker.crowd(rounds=1 if run.quick else 10)
    figures.append(Figure("chunks of the tenant", loaded.chunks, "", f"goal was {CHUNKS:,}"))
    return figures


_STAGES = {
    "first_token": f"from the start; {TTFT_MS} ms of it are the LLM's",
    "generate": f"{TTFT_MS} ms of it are the LLM's",
    "retrieve": "embed, search, visibility, relevance",
}


class _Asker:
    """Asks a different question each time, so that nothing can be served from a cache."""

    def __init__(self, it: Served, base_url: str) -> None:
        self._it = it
        self._base_url = base_url
        self._asked = 0

    async def pairs(self, number: int) -> Pairs:
        pairs = Pairs()
        for _ in range(number):
            question = self._question()
            through = await ask(self._it.tenant, question)
            request, reported = direct_request(question, through)
            directly = await ask_directly(self._session, self._base_url, request)
            assert prompt_tokens(directly) == reported, "not the prompt that the server sent"
            pairs.through.append(through)
            pairs.directly.append(directly)
        return pairs

    async def crowd(self, *, rounds: int, each: int = 5) -> list[Figure]:
        """Rounds in turn through the server and directly, by clients that never pause."""
        pairs = Pairs()
        seconds = [0.0, 0.0]
        loop = asyncio.get_running_loop()
        for _ in range(rounds):
            questions = [[self._question() for _ in range(each)] for _ in range(CLIENTS)]
            started = loop.time()
            answers = await asyncio.gather(*(self._ask_all(some) for some in questions))
            seconds[0] += loop.time() - started
            requests = [
                [direct_request(q, a)[0] for q, a in zip(some, answered, strict=True)]
                for some, answered in zip(questions, answers, strict=True)
            ]
            started = loop.time()
            direct = await asyncio.gather(*(self._ask_all_directly(some) for some in requests))
            seconds[1] += loop.time() - started
            pairs.through += [answer for some in answers for answer in some]
            pairs.directly += [answer for some in direct for answer in some]
        rates = [len(pairs.through) / spent for spent in seconds]
        suffix = f", {CLIENTS} clients"
        return [
            *pairs.figures(suffix),
            Figure(f"answers{suffix}", rates[0], "/s", f"against {rates[1]:.0f}/s directly"),
        ]

    async def _ask_all(self, questions: list[str]) -> list[Streamed]:
        return [await ask(self._it.tenant, question) for question in questions]

    async def _ask_all_directly(self, requests: list[bytes]) -> list[Streamed]:
        return [await ask_directly(self._session, self._base_url, each) for each in requests]

    @property
    def _session(self) -> aiohttp.ClientSession:
        return self._it.tenant.session

    def _question(self) -> str:
        self._asked += 1
        return text.question(self._asked, documents=DOCUMENTS)


def _first(answer: Streamed) -> float:
    return answer.first_delta


def _total(answer: Streamed) -> float:
    return answer.total
