"""Scores of one ranking and of one answer, each from 0 to 1."""

import re
from collections import Counter
from collections.abc import Collection, Hashable, Sequence

_MARK = re.compile(r"\s?\[\d{1,3}(?:,\s*\d{1,3})*\]")


def recall(ranked: Sequence[Hashable], relevant: Collection[Hashable], *, k: int) -> float:
    """The share of the relevant items among the first *k* distinct ones."""
    if not relevant:
        return 0.0
    return len(set(list(dict.fromkeys(ranked))[:k]) & set(relevant)) / len(set(relevant))


def reciprocal_rank(ranked: Sequence[Hashable], relevant: Collection[Hashable]) -> float:
    """1 over the rank of the first relevant item; 0 without one."""
    distinct = list(dict.fromkeys(ranked))
    return next((1 / rank for rank, item in enumerate(distinct, 1) if item in relevant), 0.0)


def unmarked(answer: str) -> str:
    """*answer* without its citation marks."""
    return _MARK.sub("", answer)


def contains(answer: str, gold: Sequence[str]) -> bool:
    """Whether *answer* holds one of the *gold* answers, but for case and punctuation."""
    return any(plain(each) in plain(answer) for each in gold)


def token_f1(answer: str, gold: Sequence[str]) -> float:
    """SQuAD's F1 over words, with the best of the *gold* answers (Rajpurkar and others, 2016)."""
    return max((_f1(plain(answer).split(), plain(each).split()) for each in gold), default=0.0)


def plain(text: str) -> str:
    """*text* in lower case, with words alone."""
    return " ".join(re.sub(r"[^\w\s]", " ", text.casefold()).split())


def _f1(said: list[str], gold: list[str]) -> float:
    shared = sum((Counter(said) & Counter(gold)).values())
    return 2 * shared / (len(said) + len(gold)) if shared else 0.0
