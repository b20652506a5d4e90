"""Phrases of one meaning, found where they stand in a question."""

from collections.abc import Mapping, Sequence
from functools import cache

from carrel.caching.guards.substitutes import SAME

_Phrases = Mapping[str, tuple[tuple[tuple[str, ...], str], ...]]


def phrase_at(language: str, words: Sequence[str], place: int) -> tuple[str, int]:
    """What the words from *place* on are called in `substitutes.SAME`, and how many they are.

    Nothing, and 0, where they are not in it.
    """
    for phrase, name in _phrases(language).get(words[place], ()):
        if len(phrase) == 1 or tuple(words[place : place + len(phrase)]) == phrase:
            return name, len(phrase)
    return "", 0


@cache
def _phrases(language: str) -> _Phrases:
    """The phrases with their names, by their first word; the longest first."""
    found: dict[str, list[tuple[tuple[str, ...], str]]] = {}
    for line in SAME[language].strip().splitlines():
        name, _, phrases = line.partition(":")
        for phrase in phrases.split(","):
            words = tuple(phrase.split())
            found.setdefault(words[0], []).append((words, name))
    return {
        first: tuple(sorted(each, key=lambda entry: -len(entry[0])))
        for first, each in found.items()
    }
