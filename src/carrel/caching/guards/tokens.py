"""A question in words, numbers, codes and signs; or the reason why it can't be read.

Only Latin letters, digits and usual punctuation are read. A letter of another script that
looks Latin, a letter of no width or a mark that turns the direction would let two questions
look alike that are not: a question with any is refused as a whole.
"""

import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from typing import Literal, NamedTuple

from carrel.caching.guards.words import LANGUAGES, OPENINGS, SYMBOLS, TELLING

MOST_CHARACTERS = 300
MOST_TOKENS = 48

Kind = Literal["word", "number", "code", "quoted", "sign"]

_QUOTE_MARKS = "\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u00ab\u00bb\u2039\u203a"
_OTHER_MARKS = "\u2013\u2014\u2026\u00b7\u2022\u20ac\u00a3\u00a7\u00b0"
# ASCII and the letters of Latin-1 and Latin Extended-A, but for the two signs among them.
_UNREADABLE = re.compile(
    f"[^\\t\\n\\r\\x20-\\x7e\u00c0-\u017f{_QUOTE_MARKS}{_OTHER_MARKS}]|[\u00d7\u00f7]"
)
_QUOTED = (
    '"[^"]{1,80}"|[\u201c\u201e][^\u201c\u201d]{1,80}[\u201c\u201d]|\u00ab[^\u00bb]{1,80}\u00bb'
)
_TOKEN = re.compile(
    rf"""(?P<quoted>{_QUOTED})
    |(?P<code>https?://\S+|\S+@\S+\.\w+|(?:[^\W\d_]+[-.]?\d|\d+[-.]?[^\W\d_])[\w.-]*)
    |(?P<number>(?<![\w.])-?\d+(?:[.,'\u2019]\d+)*)
    |(?P<word>[^\W\d_]+(?:[-'\u2019][^\W\d_]+)*)
    |(?P<sign>[^\s\w.,;:!?()'"{_QUOTE_MARKS}\u2013\u2014\u2026\u00b7\u2022-])""",
    re.VERBOSE,
)
_CONTRACTED = {"can't": "can not", "cannot": "can not", "won't": "will not", "shan't": "shall not"}
_THOUSANDS = re.compile(r"(?<=\d)[,'\u2019](?=\d{3}(?!\d))")
_THOUSANDS_DE = re.compile(r"(?<=\d)[.'\u2019](?=\d{3}(?!\d))")
# 60km is a number and its unit; LX-600 and 4GB-A are codes.
_MEASURED = re.compile(r"(\d+(?:[.,]\d+)*)([a-zµ]{1,4})")


class Token(NamedTuple):
    """A piece of a question: `text` in small letters, numbers in one spelling.

    `name`: it is written like one, with a capital within a sentence, or as a code.
    """

    text: str
    kind: Kind
    name: bool = False


@dataclass(frozen=True, slots=True)
class Tokens:
    """A question in tokens and its language; `refusal`: why there are none."""

    language: str
    tokens: tuple[Token, ...]
    refusal: str = ""


def tokens_of(question: str) -> Tokens:
    """*question* in tokens, without what merely opens it ("Could you tell me …")."""
    text = unicodedata.normalize("NFKC", question)
    if len(text) > MOST_CHARACTERS:
        return Tokens("", (), "length")
    if _UNREADABLE.search(text):
        return Tokens("", (), "script")
    found = [match for match in _TOKEN.finditer(text) if match.lastgroup]
    words = [match[0].lower().replace("\u2019", "'") for match in found]
    language = _language(words)
    tokens: list[Token] = []
    for match, word in zip(found, words, strict=True):
        tokens += _tokens(match, word, language, first=not tokens)
    tokens = _without_opening(tokens, language)
    if not tokens or len(tokens) > MOST_TOKENS:
        return Tokens(language, (), "length")
    return Tokens(language, tuple(tokens))


def _tokens(match: re.Match[str], word: str, language: str, *, first: bool) -> list[Token]:
    raw = match[0]
    match match.lastgroup:
        case "quoted":
            return [Token(word[1:-1].strip(), "quoted", name=True)]
        case "number":
            return [Token(_number(word, language), "number")]
        case "sign":
            return [Token(SYMBOLS.get(word, word), "word" if word in SYMBOLS else "sign")]
        case "code":
            if measured := _MEASURED.fullmatch(word.rstrip(".")):
                return [Token(_number(measured[1], language), "number"), Token(measured[2], "word")]
            return [Token(word.rstrip("."), "code", name=True)]
        case _:
            return [*_words(raw, word, first=first, language=language)]


def _words(raw: str, word: str, *, first: bool, language: str) -> list[Token]:
    if word in _CONTRACTED:
        return [Token(each, "word") for each in _CONTRACTED[word].split()]
    if word.endswith("n't"):
        return [Token(word[:-3], "word"), Token("not", "word")]
    stem, apostrophe, rest = word.partition("'")
    if apostrophe and rest in {"s", "re", "ll", "ve", "d", "m", ""}:
        word, raw = stem, raw[: len(stem)]
    # German writes every noun with a capital, so there a capital tells nothing.
    capital = raw[0].isupper() and not first and language != "de" and word != "i"
    return [Token(word, "word", name=capital or (len(raw) > 1 and raw.isupper()))]


def _number(text: str, language: str) -> str:
    """The number in one spelling: 10,000 and 10.000 (German) as 10000."""
    if language == "de":
        plain = _THOUSANDS_DE.sub("", text).replace(",", ".")
    else:
        plain = _THOUSANDS.sub("", text)
    whole, _, part = plain.partition(".")
    if "." in part:  # 4.2.1 is no quantity
        return plain
    return f"{whole}.{part.rstrip('0')}".rstrip(".")


def _language(words: list[str]) -> str:
    """The likeliest of `LANGUAGES`, by the words that tell; English where none does."""
    counts = {name: sum(word in TELLING[name] for word in words) for name in LANGUAGES}
    return max(LANGUAGES, key=lambda name: counts[name])


def _without_opening(tokens: list[Token], language: str) -> list[Token]:
    said = [token.text for token in tokens]
    for opening in _openings(language):
        if len(said) > len(opening) and tuple(said[: len(opening)]) == opening:
            return _without_opening(tokens[len(opening) :], language)
    return tokens


@cache
def _openings(language: str) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(each.split()) for each in OPENINGS[language])
