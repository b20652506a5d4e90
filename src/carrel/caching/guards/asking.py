"""What kind of answer a question wants: a person, a place, an amount, a yes or no.

Its question word tells, and what stands beside that. Two questions that want nothing in common
have no answer in common.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from carrel.caching.guards.words import TIMES, words_in

COUNT = "count"
MANNER = "manner"

_AMOUNT = "amount"
_DURATION = "duration"
_PERSON = "person"
_THING = "thing"
_TIME = "time"

_WHICH = words_in("which welche welcher welches welchen welchem")
_HOW = words_in("how wie wieviel wieviele")


def _each(words: str, *kinds: str) -> dict[str, frozenset[str]]:
    return dict.fromkeys(words.split(), frozenset(kinds))


_WORDS: Mapping[str, frozenset[str]] = {
    **_each("who whom wer", _PERSON),
    **_each("wen", "person, object"),
    **_each("wem", "person, to or for"),
    **_each("whose wessen", "owner"),
    **_each("when wann", _TIME),
    **_each("where wo", "place"),
    **_each("wohin", "way there"),
    **_each("woher", "origin"),
    **_each("why warum weshalb wieso", "reason"),
    **_each("what was", _THING, _AMOUNT),
    **dict.fromkeys(_WHICH, frozenset({_THING, _AMOUNT})),
    **dict.fromkeys(_HOW, frozenset({MANNER})),
}
_HOW_SO: Mapping[str, str] = {
    **dict.fromkeys(("many", "viele", "wieviele"), COUNT),
    **dict.fromkeys(("much", "viel", "high", "big", "hoch", "groß", "wieviel"), _AMOUNT),
    **dict.fromkeys(("long", "lang", "lange"), _DURATION),
    **dict.fromkeys(("often", "frequently", "oft", "häufig"), "frequency"),
    **dict.fromkeys(("fast", "quick", "quickly", "soon", "schnell", "bald", "rasch"), "speed"),
}
# "On what date" asks as "when" does, "which person" as "who".
_NOUNS: Mapping[str, str] = {
    **dict.fromkeys(("date", "day", "time", "month", "year"), _TIME),
    **dict.fromkeys(("tag", "datum", "monat", "zeiten", "uhrzeit"), _TIME),
    **dict.fromkeys(("person", "people"), _PERSON),
    **dict.fromkeys(("reason", "reasons", "grund", "gründe"), "reason"),
    **dict.fromkeys(("steps", "schritte"), MANNER),
    "number": COUNT,
}
_BEFORE_TIME = words_in("on at in am zu um")
_LEADING = words_in("in within for at on by of zu mit für um von über")
_BETWEEN = words_in("is are the a an does do has ist sind der die das")
_LENGTH = words_in("period duration length life dauer laufzeit")
_LASTS = frozenset({"last", "dauer"})
_AUXILIARIES = words_in(
    """is are was were do does did can could may might must shall should will would has have had am
    ist sind war waren kann können darf dürfen muss müssen soll sollen wird werden hat haben gibt
    gilt gelten bekomme bekommen habe zahlt zahlen"""
)


@dataclass(frozen=True, slots=True)
class Asking:
    """The kinds of answer, and the place in the question that says so: `[start, end)`.

    `spare` are words that only name the kind: "How many years" beside "How long".
    """

    kinds: frozenset[str]
    start: int = 0
    end: int = 0
    spare: frozenset[str] = frozenset()


def asking(words: Sequence[str]) -> Asking:
    """What the question of these *words* wants."""
    place = next((i for i, word in enumerate(words) if word in _WORDS), None)
    if words[0] in _AUXILIARIES and words[0] not in _WORDS:
        return Asking(frozenset({"yes or no"}))
    if place is None:  # words for a search
        return Asking(frozenset({_THING, _AMOUNT}))
    start = place - 1 if place and words[place - 1] in _LEADING else place
    word = words[place]
    if word in _HOW:
        return _how(words, place, start)
    if word == "wem" and start < place and words[start] == "von":
        return Asking(frozenset({_PERSON}), start, place + 1)
    return _noun(words, place, start) or _what(words, place, start)


def _noun(words: Sequence[str], place: int, start: int) -> Asking | None:
    """What "which" or "what" wants where the noun with it is one that tells."""
    between = 0
    while place + 1 + between < len(words) and words[place + 1 + between] in _BETWEEN:
        between += 1
    end = place + between + 2
    kind = _NOUNS.get(words[end - 1]) if end <= len(words) else None
    if kind is None or words[place] not in _WHICH | {"what"}:
        return None
    if kind == _TIME and (between or start == place or words[start] not in _BEFORE_TIME):
        return None  # "What is the time of delivery", "Which day is free"
    return Asking(frozenset({kind}), start, end)


def _what(words: Sequence[str], place: int, start: int) -> Asking:
    kinds = _WORDS[words[place]]
    following = words[place + 1] if place + 1 < len(words) else ""
    if words[place] == "which" and _is_plural(following):
        # "Which days" wants them named, "how many" wants them counted.
        return Asking(frozenset({_THING}), start, place + 1)
    if length := _LENGTH & set(words):
        return Asking(kinds | {_DURATION}, start, place + 1, length)
    return Asking(kinds, start, place + 1)


def _how(words: Sequence[str], place: int, start: int) -> Asking:
    following = words[place + 1] if place + 1 < len(words) else ""
    if words[place] in _HOW_SO:  # in one word: wieviel
        kind, end = _HOW_SO[words[place]], place + 1
    else:
        kind, end = _HOW_SO.get(following, MANNER), place + (2 if following in _HOW_SO else 1)
    kinds, spare = frozenset({kind}), frozenset[str]()
    if kind == COUNT and end < len(words) and words[end] in TIMES:
        # "How many days" wants a duration, too, unless the other question counts as well.
        kinds, spare = frozenset({COUNT, _DURATION}), frozenset({TIMES[words[end]]})
    elif kind == _AMOUNT:
        spare = frozenset({"~price"})
    elif kind == _DURATION and words[-1] in {"last", "dauert"}:
        spare = _LASTS
    return Asking(kinds, start, end, spare)


def _is_plural(word: str) -> bool:
    return word.endswith("s") and not word.endswith(("ss", "us", "is"))
