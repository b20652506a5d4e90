"""Goes through the words of a question, once, and sorts them by what they do there.

A word that no list knows is kept: what is overlooked can only make two questions differ.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from carrel.caching.guards.phrases import phrase_at
from carrel.caching.guards.stems import is_participle, stem
from carrel.caching.guards.tokens import Token
from carrel.caching.guards.words import BINDING, FILLER, NEGATION, NUMBERS, TIMES, words_in

NOT, SELF, YOU = "~not", "~self", "~you"

_EACH = words_in("each every jeden jede jedes")
_SELF = words_in("i we me us ich wir mir mich uns")
_YOU = words_in("you your yourself euch ihnen")
_HELPING = words_in(
    """do does did can could may must should shall will would kann darf muss soll können"""
)
_BE = words_in("is are was were be been being get gets")
_ARTICLES = words_in("a an the der die das s")
_MODAL = frozenset({"can", "must"})
_QUANTITIES = frozenset({"more", "less", "most", "least", "euro", "dollar", "pound"})
_TO = words_in("to zu zum zur into onto")
_FROM = words_in("from von vom aus")


@dataclass(slots=True)
class Reader:
    """What `take` has found so far. *manner*: the question is how something is done."""

    language: str
    manner: bool
    sequence: list[str] = field(default_factory=list[str])
    bound: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    times: list[str] = field(default_factory=list[str])
    numbers: list[str] = field(default_factory=list[str])
    modal: set[str] = field(default_factory=set[str])
    passive: set[str] = field(default_factory=set[str])
    active: set[str] = field(default_factory=set[str])
    negations: int = 0
    general: bool = False
    _direction: str = ""  # the next word is bound to it
    _after_number: bool = False
    _be: bool = False
    _run: int = 0  # where the words begin that stand together
    _owned: int | None = None  # where those began that "of" joined to them

    def take(self, tokens: Sequence[Token]) -> None:
        """Sort all words of the question but those that say what is asked."""
        texts = [token.text for token in tokens]
        binding = BINDING[self.language]
        if not _FROM & set(texts):
            binding -= _TO  # without a "from", "to" tells no more than the order does
        place = 0
        while place < len(tokens):
            token = tokens[place]
            name, length = "", 0
            if token.kind == "word":
                name, length = phrase_at(self.language, texts, place)
            if length:
                self._phrase(name, texts[place : place + length])
            elif token.kind != "word":
                self._figure(token)
            elif token.text in binding:
                self._direct(token.text)
            elif not (
                self._is_redundant(token.text, tokens[place + 1 :])
                or self._is_silent(token.text, texts[place - 1] if place else "")
            ):
                self._word(token.text)
            place += length or 1
        if self._direction:
            self._add(self._direction)
        self._end_run()

    def _phrase(self, name: str, texts: Sequence[str]) -> None:
        self._be = self._be or texts[-1] in _BE
        if name in _MODAL:
            self.general = self.general or len(texts) > 2  # "is it possible to"
            self.modal.add(name)
        else:
            self._add(f"~{name}", participle=is_participle(texts[-1]))

    def _figure(self, token: Token) -> None:
        if token.kind == "number":
            self._number(token.text)
        else:
            self._add(f"={token.text}")

    def _number(self, number: str) -> None:
        self.numbers.append(number)
        self._add(f"#{number}")
        self._after_number = True

    def _direct(self, direction: str) -> None:
        self._end_run()
        if self._direction:
            self._add(self._direction)
        self._direction = direction
        self.negations += direction in NEGATION

    def _is_redundant(self, text: str, following: Sequence[Token]) -> bool:
        """Whether it goes without saying: "each month", "a purchase of more than $10"."""
        if not following or (text not in _EACH and text != "of"):
            return False
        if text in _EACH:
            return following[0].text in TIMES
        name, _ = phrase_at(self.language, [token.text for token in following], 0)
        is_number = following[0].kind == "number" or following[0].text in NUMBERS
        return is_number or name in _QUANTITIES

    def _is_silent(self, text: str, before: str) -> bool:
        """Whether the word says no more than is noted here."""
        if text in NEGATION:
            self.negations += 1
            self.sequence.append(NOT)
        elif text in TIMES:
            self._time(TIMES[text])
        elif text in FILLER[self.language] or text in _TO:
            self._filler(text)
        elif before in _HELPING and self._is_anybody(text):
            self.general = True
        else:
            return False
        return True

    def _time(self, unit: str) -> None:
        if self._after_number:  # "five years in two months" is not "five months in two years"
            self._add(unit)
        else:
            self.times.append(unit)
            self._end_run()

    def _is_anybody(self, text: str) -> bool:
        """Whether "I" is whoever asks: "How do I …", "Can I …"."""
        return text in _SELF | _YOU if self.manner else text in _SELF and bool(self.modal)

    def _filler(self, text: str) -> None:
        self._be = self._be or text in _BE
        if text == "of":
            owned = self._run if self._owned is None else self._owned
            self._end_run()
            self._owned, self._run = owned, len(self.sequence)
        elif text not in _ARTICLES or self._owned is None:
            self._end_run()

    def _end_run(self) -> None:
        if self._owned is not None:
            # "limit of API keys" is "API keys limit": what owns comes first.
            owned = self.sequence[self._owned : self._run]
            self.sequence[self._owned :] = [*self.sequence[self._run :], *owned]
        self._owned = None
        self._run = len(self.sequence)

    def _word(self, text: str) -> None:
        if text in NUMBERS:
            self._number(NUMBERS[text])
        elif text in _SELF:
            self._add(SELF)
        elif text in _YOU:
            self._add(YOU)
        else:
            self._add(stem(text, self.language), participle=is_participle(text))

    def _add(self, word: str, *, participle: bool = False) -> None:
        if participle and (self._be or self._owned is not None):
            self._end_run()  # in "price of labels printed wrongly" the labels own, not the print
        if participle and self._be:
            self.passive.add(word)
        elif not participle:
            self.active.add(word)
        if self._direction:
            self.bound.append((self._direction, word))
            self._direction = ""
        else:
            self.sequence.append(word)
        self._after_number = False
