"""A question taken apart into what must agree before two of them may share an answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache

from carrel.caching.asking import Asking, asking
from carrel.caching.stems import is_participle, stem
from carrel.caching.tokens import Token, tokens_of
from carrel.caching.words import (
    BINDING,
    DEICTIC,
    FILLER,
    LANGUAGES,
    NEGATION,
    NUMBERS,
    PASSING,
    PASSING_BEFORE_TIME,
    PAST,
    SAME,
    TIMES,
)

_REMEMBERED = 8_192  # questions, of some hundred bytes each
_EACH = frozenset("each every jeden jede jedes".split())
_SELF = frozenset("i we me us ich wir mir mich uns".split())
_YOU = frozenset("you your yourself euch ihnen".split())
_CONDITION = frozenset("if when whenever wenn falls sobald".split())
_HELPING = frozenset(
    "do does did can could may must should shall will would kann darf muss soll können".split()
)
_EXPLETIVE = frozenset(
    "possible cost costs take takes true necessary allowed required möglich gibt".split()
)
_BE = frozenset("is are was were be been being get gets".split())
_MODAL = frozenset({"can", "must"})
_COMPARING = frozenset({"more", "less", "most", "least", "euro", "dollar", "pound"})
# They may stand anywhere: "what costs X", "the price of X"; "$10" is "10 dollars".
_FREE = frozenset("price euro dollar pound percent".split())
_TO = frozenset("to zu zum zur into onto".split())
_FROM = frozenset("from von vom aus".split())


@dataclass(frozen=True, slots=True)
class Reading:
    """What a question says; `refusal` says why it is not to be compared with any.

    `words` are stems, or the first of their line in `words.SAME`. `order` are those whose
    place tells their role; `bound` those that follow a direction, with it. `spelt` are all words
    as they are spelt, of which `names` have no other form.
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
    if found.refusal:
        return Reading(refusal=found.refusal)
    tokens, language = found.tokens, found.language
    if refusal := _refusal(tokens, language):
        return Reading(refusal=refusal)
    asks = asking([token.text for token in tokens])
    reader = _Reader(language, asks)
    reader.take(_owning([*tokens[: asks.start], *tokens[asks.end :]]))
    return reader.reading(tokens)


@dataclass(slots=True)
class _Reader:
    """Goes through the words behind the question word, once."""

    language: str
    asks: Asking
    sequence: list[str] = field(default_factory=list[str])
    bound: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    times: list[str] = field(default_factory=list[str])
    numbers: list[str] = field(default_factory=list[str])
    modal: set[str] = field(default_factory=set[str])
    negations: int = 0
    passive: set[str] = field(default_factory=set[str])
    active: set[str] = field(default_factory=set[str])
    general: bool = False
    _run: int = 0  # where the run of words begins that nothing interrupts
    _owner: int | None = None  # where a run stands that "of" puts behind what it belongs to
    _be: bool = False

    def take(self, tokens: Sequence[Token]) -> None:
        texts = [token.text for token in tokens]
        directed = bool(_FROM & set(texts))
        binding = BINDING[self.language] - (_TO if not directed else frozenset[str]())
        place = 0
        tag = ""
        while place < len(tokens):
            token = tokens[place]
            text, length = _same(self.language, texts, place) if token.kind == "word" else ("", 0)
            before = texts[place - 1] if place else ""
            place += length or 1
            if length:
                self.general = self.general or text == "can" and length > 2
                self._be = self._be or tokens[place - 1].text in _BE
                self._add(f"~{text}", tag, participle=is_participle(tokens[place - 1].text))
                tag = ""
            elif token.kind != "word":
                self._other(token, tag)
                tag = ""
            elif token.text == "of" and self._is_quantity(tokens, texts, place):
                pass  # "a purchase of more than $10"
            elif token.text in binding:
                self._end_run()
                tag = token.text
                if token.text in NEGATION:
                    self.negations += 1
            elif self._is_silent(token.text, before):
                pass
            elif token.text in _EACH and place < len(texts) and texts[place] in TIMES:
                pass  # "each month" is "a month"
            else:
                self._add(self._named(token.text), tag, participle=is_participle(token.text))
                tag = ""
        if tag:
            self._add(tag, "")
        self._end_run()

    def reading(self, tokens: Sequence[Token]) -> Reading:
        everywhere = frozenset(token.text for token in tokens)
        order = [word for word in self.sequence if word.removeprefix("~") not in _FREE]
        return Reading(
            language=self.language,
            asks=self.asks.kinds,
            spare=frozenset(f"~{word}" if word in _FREE else word for word in self.asks.spare),
            negations=self.negations,
            past=bool(PAST[self.language] & everywhere),
            modal=frozenset(self.modal),
            numbers=tuple(self.numbers),
            times=tuple(self.times),
            words=(*self.sequence, *(word for _, word in self.bound)),
            order=tuple(order),
            bound=frozenset(self.bound),
            names=frozenset(token.text for token in tokens if token.name),
            spelt=everywhere,
            passive=frozenset(self.passive),
            active=frozenset(self.active),
            general=self.general,
        )

    def _is_quantity(self, tokens: Sequence[Token], texts: Sequence[str], place: int) -> bool:
        if place >= len(tokens):
            return False
        name, _ = _same(self.language, texts, place)
        return name in _COMPARING or tokens[place].kind == "number" or texts[place] in NUMBERS

    def _is_silent(self, text: str, before: str) -> bool:
        """Whether the word adds nothing but what is noted here."""
        if text in NEGATION:
            self.negations += 1
            self.sequence.append("~not")
            return True
        if text in TIMES:
            if TIMES[text] not in self.asks.spare or before not in {"many", "viele"}:
                self.times.append(TIMES[text])
            self._end_run()
            return True
        if text in FILLER[self.language]:
            self._filler(text)
            return True
        if text in _TO:
            self._end_run()
            return True
        if before in _HELPING and self._is_general(text):
            self.general = True
            return True
        return False

    def _is_general(self, text: str) -> bool:
        """Whether "I" is anybody: "How do I …", "Can I …"."""
        if "manner" in self.asks.kinds:
            return text in _SELF | _YOU
        return text in _SELF and bool(self.modal)

    def _filler(self, text: str) -> None:
        self._be = self._be or text in _BE
        if text == "of":
            self._end_run_of_owner()
        elif text not in {"a", "an", "the", "der", "die", "das", "s"} or self._owner is None:
            self._end_run()

    def _end_run_of_owner(self) -> None:
        start = self._run
        if self._owner is not None:
            start = self._owner
            self._end_run()
        self._owner = start
        self._run = len(self.sequence)

    def _end_run(self) -> None:
        if self._owner is not None and self._owner < self._run:
            # "limit of API keys" is "API keys limit": what owns comes first.
            owned = self.sequence[self._owner : self._run]
            self.sequence[self._owner :] = [*self.sequence[self._run :], *owned]
        self._owner = None
        self._run = len(self.sequence)

    def _other(self, token: Token, tag: str) -> None:
        if token.kind == "number":
            self.numbers.append(token.text)
            self._add(f"#{token.text}", tag)
        else:
            self._add(f"={token.text}", tag)

    def _named(self, text: str) -> str:
        if text in NUMBERS:
            self.numbers.append(NUMBERS[text])
            return f"#{NUMBERS[text]}"
        if text in _SELF:
            return "~self"
        if text in _YOU:
            return "~you"
        return stem(text, self.language)

    def _add(self, word: str, tag: str, *, participle: bool = False) -> None:
        if word.removeprefix("~") in _MODAL and word.startswith("~"):
            self.modal.add(word.removeprefix("~"))
            return
        if participle and self._be:
            self._end_run()
            self.passive.add(word)
        elif not participle:
            self.active.add(word)
        if tag:
            self.bound.append((tag, word))
        else:
            self.sequence.append(word)


def _refusal(tokens: Sequence[Token], language: str) -> str:
    """Why a question does not say all that it asks, if so."""
    for place, token in enumerate(tokens):
        text = token.text
        following = tokens[place + 1].text if place + 1 < len(tokens) else ""
        before = tokens[place - 1].text if place else ""
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


def _same(language: str, texts: Sequence[str], place: int) -> tuple[str, int]:
    """What the words from *place* on are called in `words.SAME`, and how many they are."""
    for phrase, name in _phrases(language).get(texts[place], ()):
        if tuple(texts[place : place + len(phrase)]) == phrase:
            return name, len(phrase)
    return "", 0


@cache
def _phrases(language: str) -> Mapping[str, tuple[tuple[tuple[str, ...], str], ...]]:
    """The phrases of `words.SAME` with their names, by their first word; the longest first."""
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


def _owning(tokens: list[Token]) -> list[Token]:
    """*tokens* where "What limit has the card" and "does the card have" say "limit of the card"."""
    texts = [token.text for token in tokens]
    for place, text in enumerate(texts[1:6], start=1):
        if text in {"has", "have"} and place + 1 < len(texts) and texts[place + 1] != "to":
            return [*tokens[:place], Token("of", "word"), *tokens[place + 1 :]]
        if text in {"do", "does"} and texts[-1] in {"have", "has"}:
            return [*tokens[:place], Token("of", "word"), *tokens[place + 1 : -1]]
        if text in FILLER["en"]:
            break
    return tokens
