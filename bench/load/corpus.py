"""Documents in which every sentence bears its tenant's marker, and questions that they answer.

The simulator writes answers in the words of its sources, so an answer that is made of another
tenant's documents, or was kept for another tenant, shows that tenant's marker.
"""

import re
from functools import lru_cache

from bench.micro import text

MARKER = re.compile(rb"zq\d{5}zq")
SECTIONS = 3


def marker(tenant: int) -> str:
    return f"zq{tenant:05d}zq"


def document(tenant: int, number: int) -> str:
    """Document *number* of *tenant*."""
    parts = [f"# {text.subject(_place(tenant, number))}"]
    for section in range(SECTIONS):
        heading, paragraphs = _section(tenant, number, section)
        parts += [f"## {heading}", *(" ".join(sentences) for sentences in paragraphs)]
    return "\n\n".join(parts) + "\n"


def note(tenant: int, number: int) -> str:
    """A document of one chunk, about something else."""
    first, *rest = text.note(_place(tenant, number)).split(". ")
    return ". ".join([f"{first} {marker(tenant)}", *rest])


def question(tenant: int, number: int, *, documents: int) -> str:
    """Question *number*: of so many documents it asks for one sentence, in its own words."""
    place = number * 7_919 % (documents * SECTIONS * text.PARAGRAPHS * text.SENTENCES)
    place, sentence = divmod(place, text.SENTENCES)
    place, paragraph = divmod(place, text.PARAGRAPHS)
    heading, paragraphs = _section(tenant, *divmod(place, SECTIONS))
    return f"What does {heading} say of {paragraphs[paragraph][sentence].rstrip('.')}?"


def new_question(tenant: int, number: int, *, documents: int) -> str:
    """A question that nobody asked before."""
    asked = question(tenant, number, documents=documents)
    return f"{asked.removesuffix('?')}, in case {number}?"


@lru_cache(maxsize=20_000)
def _section(tenant: int, number: int, section: int) -> tuple[str, list[list[str]]]:
    heading, paragraphs = text._section(_place(tenant, number), section)
    return heading, [[_marked(tenant, each) for each in sentences] for sentences in paragraphs]


def _marked(tenant: int, sentence: str) -> str:
    first, _, rest = sentence.partition(" ")
    return f"{first} {marker(tenant)} {rest}"


def _place(tenant: int, number: int) -> int:
    return tenant * 100_000 + number
