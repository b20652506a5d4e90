"""What kind of answer a question wants: a person, a place, an amount, a yes or no.

The kinds that a question may want are told by its question word and what stands beside it.
Two questions that want nothing in common have no answer in common.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from carrel.caching.words import TIMES

COUNT = "count"
DURATION = "duration"
MANNER = "manner"
PERSON = "person"
YES_OR_NO = "yes or no"
_AMOUNT = "amount"
_THING = "thing"
_TIME = "time"

_WORDS: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(("who", "whom", "wer"), frozenset({PERSON})),
    "wen": frozenset({"person, object"}),
    "wem": frozenset({"person, to or for"}),
    **dict.fromkeys(("whose", "wessen"), frozenset({"owner"})),
    **dict.fromkeys(("when", "wann"), frozenset({_TIME})),
    **dict.fromkeys(("where", "wo"), frozenset({"place"})),
    "wohin": frozenset({"way there"}),
    "woher": frozenset({"origin"}),
    **dict.fromkeys(("why", "warum", "weshalb", "wieso"), frozenset({"reason"})),
    **dict.fromkeys(
        ("what", "which", "was", "welche", "welcher", "welches", "welchen", "welchem"),
        frozenset({_THING, _AMOUNT}),
    ),
    **dict.fromkeys(("how", "wie", "wieviel", "wieviele"), frozenset({MANNER})),
}
_HOW: Mapping[str, str] = {
    **dict.fromkeys(("many", "viele", "wieviele"), COUNT),
    **dict.fromkeys(("much", "viel", "high", "big", "hoch", "groß", "wieviel"), _AMOUNT),
    **dict.fromkeys(("long", "lang", "lange"), DURATION),
    **dict.fromkeys(("often", "frequently", "oft", "häufig"), "frequency"),
    **dict.fromkeys(("fast", "quick", "quickly", "soon", "schnell", "bald", "rasch"), "speed"),
}
# "On what date" asks as "when" does.
_NOUNS: Mapping[str, str] = {
    **dict.fromkeys(("date", "day", "time", "tag", "datum", "monat", "zeiten", "uhrzeit"), _TIME),
    **dict.fromkeys(("month", "year"), _TIME),
    **dict.fromkeys(("person", "people"), PERSON),
    **dict.fromkeys(("reason", "reasons", "grund", "gründe"), "reason"),
    **dict.fromkeys(("steps", "schritte"), MANNER),
    "number": COUNT,
}
_BEFORE_TIME = frozenset("on at in am zu um".split())
_LEADING = frozenset("in within for at on by of zu mit für um von über".split())
_BETWEEN = frozenset("is are the a an does do has ist sind der die das".split())
_LENGTH = frozenset("period duration length life dauer laufzeit".split())
_AUXILIARIES = frozenset(
    """is are was were do does did can could may might must shall should will would has have had am
    ist sind war waren kann können darf dürfen muss müssen soll sollen wird werden hat haben gibt
    gilt gelten bekomme bekommen habe zahlt zahlen""".split()
)


@dataclass(frozen=True, slots=True)
class Asking:
    """The kinds of answer, and where in the question that is said: `[start, end)`.

    `spare` are words that only name the kind: "How many years" beside "How long".
    """

    kinds: frozenset[str]
    start: int
    end: int
    spare: frozenset[str] = frozenset()


def asking(words: Sequence[str]) -> Asking:
    """What the question of these *words* wants."""
    place = next((i for i, word in enumerate(words) if word in _WORDS), None)
    if words[0] in _AUXILIARIES and words[0] not in _WORDS:
        return Asking(frozenset({YES_OR_NO}), 0, 0)
    if place is None:  # words for a search
        return Asking(frozenset({_THING, _AMOUNT}), 0, 0)
    start = place - 1 if place and words[place - 1] in _LEADING else place
    word, following = words[place], words[place + 1] if place + 1 < len(words) else ""
    if word in {"how", "wie", "wieviel", "wieviele"}:
        return _how(words, place, start)
    if word in {"wen", "wem"} and start < place and words[start] == "von":
        return Asking(frozenset({PERSON}), start, place + 1)
    noun = next((n for n, each in enumerate(words[place + 1 :]) if each not in _BETWEEN), None)
    kind = None if noun is None else _NOUNS.get(words[place + 1 + noun])
    if kind and noun is not None and word in {"what", "which"} | _GERMAN_WHICH:
        direct = noun == 0
        if kind != _TIME or (direct and start < place and words[start] in _BEFORE_TIME):
            return Asking(frozenset({kind}), start, place + noun + 2)
    if word in {"what", "which"} and _is_plural(following) and word == "which":
        return Asking(frozenset({"which of them", _THING}), start, place + 1)
    kinds = _WORDS[word]
    if _LENGTH & set(words):
        return Asking(kinds | {DURATION}, start, place + 1, frozenset(_LENGTH & set(words)))
    return Asking(kinds, start, place + 1)


_GERMAN_WHICH = frozenset("welche welcher welches welchen welchem".split())


def _how(words: Sequence[str], place: int, start: int) -> Asking:
    said = words[place]
    if said in _HOW:  # in one word: wieviel
        kind, end = _HOW[said], place + 1
    else:
        following = words[place + 1] if place + 1 < len(words) else ""
        kind, end = _HOW.get(following, MANNER), place + (2 if following in _HOW else 1)
    if kind == COUNT and end < len(words) and words[end] in TIMES:
        # "How many days" wants a duration, too, unless the other question counts as well.
        return Asking(frozenset({COUNT, DURATION}), start, end, frozenset({TIMES[words[end]]}))
    if kind == _AMOUNT:
        return Asking(frozenset({_AMOUNT}), start, end, frozenset({"price"}))
    if kind == DURATION and words[-1] in {"last", "dauert"}:
        return Asking(frozenset({kind}), start, end, frozenset({"last", "dauer"}))
    return Asking(frozenset({kind}), start, end)


def _is_plural(word: str) -> bool:
    return word.endswith("s") and not word.endswith(("ss", "us", "is"))
