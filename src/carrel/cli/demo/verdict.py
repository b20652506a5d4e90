"""Whether an answer is the one its tenant should get: its own fact, and never the other's."""

import unicodedata
from collections.abc import Set as AbstractSet

from carrel.cli.wire import Answer


def fault(
    answer: Answer, *, own: str | None, other: str | None, foreign: AbstractSet[str]
) -> str | None:
    """What is wrong with *answer*; None when it holds.

    *own* is the text that the tenant's documents call for (None: they hold no
    answer, and it must say so), *other* the other tenant's, and *foreign* the
    ids of the other tenant's documents.
    """
    said = _plain(answer.answer)
    if any(source.document_id in foreign for source in answer.sources):
        return "a source is another tenant's document"
    if other is not None and _plain(other) in said.replace(_plain(own or ""), ""):
        return f"it tells the other tenant's “{other}”"
    if own is None:
        return None if answer.finish_reason == "no_evidence" else "it should say it has no answer"
    if _plain(own) not in said:
        return f"“{own}” is missing"
    return None if answer.citations else "it cites nothing"


def _plain(text: str) -> str:
    """*text* as it compares: single spaces, no case, compatibility forms resolved (NFKC)."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())
