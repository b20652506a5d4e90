"""Canaries: words that one tenant's documents hold and no other's, so that a leak can be seen.

A canary is one word, `canary` and twelve hexadecimal digits. Every tenant's texts are otherwise
about the same things in the same words, so that each would match the others' questions.
"""

import re
import secrets
from dataclasses import dataclass, field

SUBJECTS = ("refunds", "printers", "warranty", "delivery", "invoices", "holidays")
_CANARY = re.compile(r"canary[0-9a-f]{12}")


def new_canary() -> str:
    return f"canary{secrets.token_hex(6)}"


def canaries_in(text: str) -> set[str]:
    return set(_CANARY.findall(text))


def text_about(subject: str, *marks: str) -> str:
    """A document of a few sentences that answers "How many days do … take?"."""
    marked = " ".join(marks)
    return (
        f"All requests about {subject} take thirty days, says {marked}. "
        f"Whoever asks about {subject} earlier waits for the office to open again ({marked})."
    )


def question_about(subject: str) -> str:
    return f"How many days do requests about {subject} take?"


@dataclass
class Tally:
    """What a run did, and what it saw that it should not have."""

    operations: int = 0
    passages: int = 0
    moves: int = 0
    erasures: int = 0
    foreign: list[str] = field(default_factory=list)

    def look(self, body: str, own: str) -> None:
        """Count one response of the tenant whose canary is *own*."""
        self.operations += 1
        self.foreign.extend(sorted(canaries_in(body) - {own}))
