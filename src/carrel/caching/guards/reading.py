"""A question taken apart into what must agree before two of them may share an answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from carrel.caching.guards.asking import Asking, asking
from carrel.caching.guards.reader import Reader
from carrel.caching.guards.tokens import Token, tokens_of
from carrel.caching.guards.words import (
    DEICTIC,
    FILLER,
    PASSING,
    PASSING_BEFORE_TIME,
    PAST,
    TIMES,
    words_in,
)

_REMEMBERED = 8_192  # questions, of about a kilobyte each

_BE = words_in("is are was were be")
_EXPLETIVE = words_in("possible cost costs take takes true necessary allowed required möglich gibt")
# The verb of "What limit has the card" is looked for among so many words.
_OWNS_WITHIN = 6
# They may stand anywhere: "what costs X", "the price of X"; "$10" is "10 dollars".
_ANYWHERE = frozenset({"~price", "~euro", "~dollar", "~pound", "~percent"})


@dataclass(frozen=True, slots=True)
class Reading:
    """What a question says; `refusal` says why it is not to be compared with any.

    `words` are stems, or the names of their lines in `substitutes.SAME`; `order`, those whose
    place tells their role; `bound`, those that follow a direction, with it; `times`, units whose
    place tells nothing. `spelt` are all words as they are spelt, of which `names` have no other
    form. `spare` only name the kind of answer. `general`: who does it is anybody.
    """

    refusal: str = ""
    language: str = ""
    asks: frozenset[str] = frozenset()
    spare: frozenset[str] = frozenset()
    negations: int = 0
    past: bool = False
    modal: frozenset[str] = frozenset()
    numbers: tuple[str, ...] = ()
    times: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    order: tuple[str, ...] = ()
    bound: frozenset[tuple[str, str]] = frozenset()
    names: frozenset[str] = frozenset()
    spelt: frozenset[str] = frozenset()
    passive: frozenset[str] = frozenset()
    active: frozenset[str] = frozenset()
    general: bool = False


@lru_cache(maxsize=_REMEMBERED)
def read(question: str) -> Reading:
    """*question* taken apart."""
    found = tokens_of(question)
    refusal = found.refusal or _refusal(found.tokens, found.language)
    if refusal:
        return Reading(refusal=refusal)
    asks = asking([token.text for token in found.tokens])
    return _reading(found.tokens, found.language, asks)


def _reading(tokens: Sequence[Token], language: str, asks: Asking) -> Reading:
    reader = Reader(language, manner="manner" in asks.kinds)
    reader.take(_owning([*tokens[: asks.start], *tokens[asks.end :]]))
    spelt = frozenset(token.text for token in tokens)
    return Reading(
        language=language,
        asks=asks.kinds,
        spare=asks.spare,
        negations=reader.negations,
        past=bool(PAST[language] & spelt),
        modal=frozenset(reader.modal),
        numbers=tuple(reader.numbers),
        times=tuple(reader.times),
        words=(*reader.sequence, *(word for _, word in reader.bound)),
        order=tuple(word for word in reader.sequence if word not in _ANYWHERE),
        bound=frozenset(reader.bound),
        names=frozenset(token.text for token in tokens if token.name),
        spelt=spelt,
        passive=frozenset(reader.passive),
        active=frozenset(reader.active),
        general=reader.general,
    )


def _refusal(tokens: Sequence[Token], language: str) -> str:
    """Why a question does not say all that it asks, if so."""
    texts = ["", *(token.text for token in tokens), ""]
    for place, token in enumerate(tokens, start=1):
        before, text, following = texts[place - 1 : place + 2]
        if token.name:
            continue
        if text in PASSING or (text in PASSING_BEFORE_TIME and following in TIMES):
            return "time"
        if text in {"above", "below"} and (not following or before in {"the", "as"}):
            return "deictic"
        if text in DEICTIC[language] and not _is_expletive(text, before, following):
            return "deictic"
    return ""


def _is_expletive(text: str, before: str, following: str) -> bool:
    """Whether the word points at nothing: "is it possible", "is there"."""
    if text in {"it", "es"}:
        return following in _EXPLETIVE or before == "gibt"
    return text == "there" and (before in _BE or following in _BE)


def _owning(tokens: list[Token]) -> list[Token]:
    """*tokens* where "limit has the card", "limit does the card have" are "limit of the card"."""
    texts = [token.text for token in tokens]
    of = Token("of", "word")
    for place, text in enumerate(texts[1:_OWNS_WITHIN], start=1):
        following = texts[place + 1] if place + 1 < len(texts) else "to"
        if text in {"has", "have"} and following != "to":
            return [*tokens[:place], of, *tokens[place + 1 :]]
        if text in {"do", "does"} and texts[-1] in {"have", "has"}:
            return [*tokens[:place], of, *tokens[place + 1 : -1]]
        if text in FILLER["en"]:
            break
    return tokens
