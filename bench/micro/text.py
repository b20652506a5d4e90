"""Generated Markdown, and questions that it answers; equal numbers, equal text.

Words follow a Zipf-like law over stop words, everyday words and names, so that
posting lists and token counts are about those of real documents.
"""

import random
from itertools import accumulate

from bench.simulator.text import WORDS

STOP_WORDS = (
    "the of and to in a is that for it as was with be by on not this are or from at which but "
    "have an they you were their one all we can has there been if more when will would who so no"
).split()
_SYLLABLES = "va lo ri den mar sil tor ane gra pol ket umi sha bel cor dun fen hal jor nim".split()
_NAMES = [
    (first + second + third).capitalize()
    for first in _SYLLABLES
    for second in _SYLLABLES
    for third in _SYLLABLES
]
SECTION_WORDS = 640  # five or six chunks of 200 tokens, 40 of them shared


def _zipf(size: int) -> list[float]:
    return list(accumulate(1 / (rank + 3) for rank in range(size)))


_EVERYDAY_WEIGHTS = _zipf(len(WORDS))
_NAME_WEIGHTS = _zipf(len(_NAMES))


def document(number: int, *, sections: int = 4) -> str:
    """Document *number*: a title and *sections*, each under a heading of its own."""
    parts = [f"# {subject(number)}"]
    for section in range(sections):
        rng = random.Random(f"{number}/{section}")
        parts.append(f"## {' '.join(_name(rng) for _ in range(2))} {_everyday(rng)}")
        parts += _paragraphs(rng)
    return "\n\n".join(parts) + "\n"


def note(number: int) -> str:
    """A document of one chunk."""
    rng = random.Random(f"note {number}")
    return f"# {subject(number)}\n\n{_sentence(rng)} {_sentence(rng)} {_sentence(rng)}\n"


def question(number: int, *, documents: int, sections: int = 4) -> str:
    """Question *number*, in words that stand in one place of one of *documents* documents."""
    rng = random.Random(f"question {number}")
    about = rng.randrange(documents)
    place = random.Random(f"{about}/{rng.randrange(sections)}")
    _heading = [_name(place), _name(place), _everyday(place)]
    said = " ".join(_paragraphs(place)).replace(".", "").split()
    start = rng.randrange(len(said) - 12)
    return f"What of {' '.join(said[start : start + 12])}, no. {number}?"


def subject(number: int) -> str:
    """The title of document *number*."""
    rng = random.Random(f"subject {number}")
    return f"{_name(rng)} {_name(rng)} {_everyday(rng)} {number}"


def _paragraphs(rng: random.Random) -> list[str]:
    paragraphs: list[str] = []
    left = SECTION_WORDS
    while left > 0:
        sentences = [_sentence(rng) for _ in range(rng.randint(3, 6))]
        left -= sum(sentence.count(" ") + 1 for sentence in sentences)
        paragraphs.append(" ".join(sentences))
    return paragraphs


def _sentence(rng: random.Random) -> str:
    words = [_word(rng) for _ in range(rng.randint(8, 20))]
    return f"{words[0].capitalize()} {' '.join(words[1:])}."


def _word(rng: random.Random) -> str:
    lot = rng.random()
    if lot < 0.45:
        return rng.choice(STOP_WORDS)
    if lot < 0.85:
        return _everyday(rng)
    return _name(rng) if lot < 0.97 else str(rng.randint(2, 9_999))


def _everyday(rng: random.Random) -> str:
    return rng.choices(WORDS, cum_weights=_EVERYDAY_WEIGHTS)[0]


def _name(rng: random.Random) -> str:
    return rng.choices(_NAMES, cum_weights=_NAME_WEIGHTS)[0]
