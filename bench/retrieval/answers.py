"""How often an extractive answer holds the right answer's words, and how long it is."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median
from time import perf_counter

from bench.retrieval.corpus import Corpus
from bench.retrieval.datasets import Question

from carrel.generation.extractive import ExtractiveGenerator
from carrel.generation.generator import Delta, GenerationRequest

_MARK = re.compile(r"\s?\[\d+\]")


@dataclass(frozen=True, slots=True)
class Answers:
    """Of one set of questions: share with the right words, median length, median time."""

    right: float
    words: float
    milliseconds: float


async def answer(corpus: Corpus, questions: Sequence[Question]) -> Answers:
    """Ask *questions* of *corpus*, eight passages each."""
    generator = ExtractiveGenerator(corpus.embedder, lambda question: corpus.bm25)
    right: list[bool] = []
    words: list[int] = []
    seconds: list[float] = []
    for question in questions:
        passages = await corpus.passages(question.text, 8)
        request = GenerationRequest(question.text, passages, max_tokens=512)
        started = perf_counter()
        parts = [part async for part in generator.generate(request)]
        seconds.append(perf_counter() - started)
        text = "".join(part.text for part in parts if isinstance(part, Delta))
        text = _MARK.sub("", text)
        right.append(any(_plain(answer) in _plain(text) for answer in question.answers))
        words.append(len(text.split()))
    return Answers(fmean(right), median(words), median(seconds) * 1000)


def _plain(text: str) -> str:
    return " ".join(re.sub(r"[^\w\s]", " ", text.casefold()).split())
