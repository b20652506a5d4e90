"""Where sentences end in prose: at a full stop that is neither an abbreviation's nor an ordinal's.

Rules for English and German, and the full stops of Chinese and Japanese. They
depend on nothing but the characters around a stop.
"""

import re
from collections.abc import Iterator

_CJK_STOPS = "\u3002\uff01\uff1f"
_CLOSING = "\"'\u201d\u2019»)\\]*_"
_STOP = re.compile(rf"[.!?…]+[{_CLOSING}]*(?=\s)|[{_CJK_STOPS}]+[\u300d\u300f\u201d\uff09]*")
_OPENING = re.compile("[\"'\u201c\u2018«(\\[*_¿¡\u201e-]*([^\\W_])")
CONTEXT = 24  # characters before a full stop, which say whose it is
_LAST_WORD = re.compile(r"[\w.\-]*$")
_DAY_OF = re.compile(
    r"(?:jan|feb|m[äa]r|apr|ma[iy]|jun|jul|aug|sep|o[kc]t|nov|de[zc])[a-zä]*\b|jahrhundert|jh\b",
    re.IGNORECASE,
)


def _words(listed: str) -> frozenset[str]:
    return frozenset(listed.split())


# Without their last full stop. English, then German.
_ABBREVIATIONS = _words(
    "mr mrs ms dr prof st sr rev gen col lt sgt capt hon sen rep gov vs approx est dept univ cf "
    "e.g i.e p.s "
    "z.b d.h u.a bzw ca hl evtl ggf inkl vgl str s.o s.u i.d.r"
)
# Words that are shortened before a number: "No. 5", and otherwise end a sentence: "He said no."
_BEFORE_NUMBERS = _words("no nos vol p pp fig figs sec ch art nr bd abb abs s ziff")


def sentence_ends(text: str, start: int, stop: int) -> Iterator[int]:
    """The offsets at which a sentence of `text[start:stop]` ends, the last one's left out."""
    for match in _STOP.finditer(text, start, stop):
        if match.end() < stop and _ends(text, start, match, stop):
            yield match.end()


def _ends(text: str, start: int, match: re.Match[str], stop: int) -> bool:
    mark = match[0]
    if mark[0] in _CJK_STOPS:
        return True
    after = text[match.end() : min(stop, match.end() + 40)].lstrip()
    opening = _OPENING.match(after)
    if opening is None or opening[1].islower():
        return False
    if mark[0] != "." or mark.startswith(".."):
        return True
    word = _LAST_WORD.search(text[max(start, match.start() - CONTEXT) : match.start()])
    return not _is_shortened(word[0].lstrip("-") if word else "", after)


def _is_shortened(word: str, after: str) -> bool:
    """Whether the full stop after *word* belongs to the word."""
    if len(word) == 1 and word.isupper():
        return True  # an initial
    if word.isdigit() and len(word) <= 2:
        return _DAY_OF.match(after) is not None  # "am 3. Oktober"
    known = _ABBREVIATIONS | _BEFORE_NUMBERS if after[:1].isdigit() else _ABBREVIATIONS
    return word.lower() in known
