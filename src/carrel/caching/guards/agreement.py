"""Whether two questions want the same answer, by their words alone.

Similar is not the same: a number, a name or a "not" makes another question with almost the same
vector. So nothing may differ but what is known to mean nothing: whatever one question says and the
other doesn't has to be in a list (`words`, `substitutes`). What is in no list counts, in whatever
language.

Pure functions, some 50 µs a pair. `disagreement` says in a word why two questions differ.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

from carrel.caching.guards.asking import COUNT
from carrel.caching.guards.reading import Reading, read


def stands_alone(question: str) -> bool:
    """Whether *question* says all that it asks, on any day, in letters that can be read."""
    return not read(question).refusal


def agree(cached: str, asked: str) -> bool:
    """Whether an answer to *cached* answers *asked*, as far as their words tell."""
    return disagreement(cached, asked) is None


def disagreement(cached: str, asked: str) -> str | None:
    """Why the two want different answers, in a word for metrics; None: they want the same."""
    ours, theirs = read(cached), read(asked)
    if refusal := ours.refusal or theirs.refusal:
        return refusal
    differ: Sequence[tuple[str, bool]] = (
        ("language", ours.language != theirs.language),
        ("negation", ours.negations != theirs.negations),
        ("tense", ours.past != theirs.past),
        ("number", sorted(ours.numbers) != sorted(theirs.numbers)),
        ("name", not (ours.names <= theirs.spelt and theirs.names <= ours.spelt)),
        ("asks", not ours.asks & theirs.asks),
        ("modal", bool(ours.modal and theirs.modal) and ours.modal != theirs.modal),
    )
    return next((name for name, does in differ if does), None) or _words(ours, theirs)


def _words(ours: Reading, theirs: Reading) -> str | None:
    """Whether a word has no counterpart, or has it in another role."""
    spare = _spare(ours, theirs)
    if _differ(ours.times, theirs.times, spare):
        return "unit"
    if _differ(ours.words, theirs.words, spare):
        return "words"
    turned = ours.passive & theirs.active | theirs.passive & ours.active
    if ours.bound != theirs.bound or (turned and not (ours.general or theirs.general)):
        return "roles"
    # "Can I repay a loan" is "Can a loan be repaid": the verb is elsewhere, the rest is not.
    common = (set(ours.order) & set(theirs.order)) - turned
    if [w for w in ours.order if w in common] != [w for w in theirs.order if w in common]:
        return "order"
    return None


def _differ(ours: Iterable[str], theirs: Iterable[str], spare: frozenset[str]) -> bool:
    """Whether one has a word more often than the other, but for those to spare."""
    left, right = sorted(ours), sorted(theirs)
    if left == right:
        return False
    more, less = Counter(left), Counter(right)
    return any(word not in spare for word in (*(more - less), *(less - more)))


def _spare(ours: Reading, theirs: Reading) -> frozenset[str]:
    """Words that merely name the kind of answer, which the other's question word does."""
    kinds = ours.asks & theirs.asks
    if len(kinds) > 1 or COUNT in kinds:  # both name it themselves: days are not weeks
        return frozenset()
    return ours.spare | theirs.spare
