"""Words without the endings that say only number, person or tense.

It takes off less than a search engine's stemmer would: two words with one stem must mean the same
in every question. "Printer" is no "print", and "opened" is not "unopened".
"""

from functools import lru_cache

from carrel.caching.guards.words import IRREGULAR, words_in

# Plurals that mean something of their own: the terms of a contract are not its term.
_AS_THEY_ARE = words_in("news goods means customs terms savings premises headquarters works arms")
_SHORTEST = 3  # letters that must be left
_ENGLISH_ENDINGS = (("ies", "y"), ("ied", "y"), ("sses", "ss"), ("ing", ""), ("ed", ""))
_SIBILANT = ("ches", "shes", "xes", "zes")
_GERMAN_ENDINGS = ("en", "em", "er", "es", "et", "e", "n", "s", "t")
_GERMAN_SHORTEST = 4


@lru_cache(maxsize=16_384)
def stem(word: str, language: str) -> str:
    """The stem of a *word* in small letters."""
    return _german(word) if language == "de" else _english(word)


@lru_cache(maxsize=4_096)
def is_participle(word: str) -> bool:
    """Whether an English *word* may be one that follows "is" in the passive."""
    regular = len(word) > 4 and word.endswith("ed")
    return regular or word in _PARTICIPLES or IRREGULAR.get(word, word) != word


_PARTICIPLES = words_in("told kept bought begun repaid put set cut read")


def _english(word: str) -> str:
    if word in _AS_THEY_ARE:
        return word
    if word in IRREGULAR:
        return _bare(IRREGULAR[word])
    for ending, instead in _ENGLISH_ENDINGS:
        if word.endswith(ending):
            left = word[: -len(ending)] + instead
            return _bare(_single(left)) if len(left) > _SHORTEST and _has_vowel(left) else word
    if word.endswith(_SIBILANT):
        return word[:-2]
    if word.endswith("s") and not word.endswith(("ss", "us", "is")) and len(word) > _SHORTEST:
        return _bare(word[:-1])
    return _bare(word)


def _bare(word: str) -> str:
    """Without a last e, which "-ed" and "-ing" swallow; short words differ by it: car, care."""
    return word[:-1] if len(word) > 4 and word.endswith("e") else word


def _single(word: str) -> str:
    """Without the doubling before an ending: planned, cancelled; but not called."""
    doubled = len(word) > 4 and word[-1] == word[-2] and word[-1] not in "aeiousz"
    return word[:-1] if doubled and (word[-1] != "l" or len(word) > 5) else word


def _has_vowel(word: str) -> bool:
    return any(letter in "aeiouy" for letter in word)


def _german(word: str) -> str:
    for ending in _GERMAN_ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= _GERMAN_SHORTEST:
            return word[: -len(ending)]
    return word
