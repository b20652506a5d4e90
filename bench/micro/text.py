"""Generated Markdown, and questions that it answers; equal numbers, equal text.

Words follow a Zipf-like law over stop words, everyday words and names, so that
posting lists and token counts are about those of real documents.
"""

import random
from functools import lru_cache
from itertools import accumulate

from bench.simulator.text import WORDS

_STOP_WORDS = """
the of and to in a is that for it as was with be by on not this are or from at which but have an
they you were their one all we can has there been if more when will would who so no
"""
STOP_WORDS = tuple(_STOP_WORDS.split())
_SYLLABLES = [
    *("va", "lo", "ri", "den", "mar", "sil", "tor", "ane", "gra", "pol"),
    *("ket", "umi", "sha", "bel", "cor", "dun", "fen", "hal", "jor", "nim"),
]
_NAMES = [
    (first + second + third).capitalize()
    for first in _SYLLABLES
    for second in _SYLLABLES
    for third in _SYLLABLES
]
PARAGRAPHS = 5  # in a section
SENTENCES = 7  # in a paragraph, which is about a chunk of 200 tokens


def _zipf(size: int) -> list[float]:
    return list(accumulate(1 / (rank + 3) for rank in range(size)))


_EVERYDAY_WEIGHTS = _zipf(len(WORDS))
_NAME_WEIGHTS = _zipf(len(_NAMES))


def document(number: int, *, sections: int = 4) -> str:
    """Document *number*: a title and *sections*, each under a heading of its own."""
    parts = [f"# {subject(number)}"]
    for section in range(sections):
        heading, paragraphs = _section(number, section)
        parts += [f"## {heading}", *(" ".join(sentences) for sentences in paragraphs)]
    return "\n\n".join(parts) + "\n"


def note(number: int) -> str:
    """A document of one chunk."""
    rng = random.Random(f"note {number}")
    return f"# {subject(number)}\n\n{_sentence(rng)} {_sentence(rng)} {_sentence(rng)}\n"


def question(number: int, *, documents: int, sections: int = 4) -> str:
    """Question *number*, in the words of one sentence of one of *documents* documents.

    Questions differ from each other up to as many as there are sentences.
    """
    # A prime step visits the sentences in an order that jumps between documents.
    place = number * 7_919 % (documents * sections * PARAGRAPHS * SENTENCES)
    place, sentence = divmod(place, SENTENCES)
    place, paragraph = divmod(place, PARAGRAPHS)
    heading, paragraphs = _section(*divmod(place, sections))
    # With the heading's names no question is refused as one that the documents can't answer.
    return f"What does {heading} say of {paragraphs[paragraph][sentence].rstrip('.')}?"


def subject(number: int) -> str:
    """The title of document *number*."""
    rng = random.Random(f"subject {number}")
    return f"{_name(rng)} {_name(rng)} {_everyday(rng)} {number}"


@lru_cache(maxsize=10_000)
def _section(number: int, section: int) -> tuple[str, list[list[str]]]:
    """A heading, and the sentences of the paragraphs under it."""
    rng = random.Random(f"{number}/{section}")
    heading = f"{_name(rng)} {_name(rng)} {_everyday(rng)}"
    return heading, [[_sentence(rng) for _ in range(SENTENCES)] for _ in range(PARAGRAPHS)]


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
