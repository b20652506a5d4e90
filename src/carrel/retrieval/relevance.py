"""Whether retrieved passages can answer a question at all, without asking a model.

Every search returns its nearest passages, however far they are. The decision
rests on measures that mean the same in every corpus, large or small: never on
ranks, IDF or fused scores, which are relative to what else a tenant stores.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from carrel.domain.document import Passage
from carrel.embedding.sparse import Bm25Encoder
from carrel.embedding.static import importance
from carrel.embedding.synonyms import Stems, Synonyms, says
from carrel.lately import Lately
from carrel.retrieval.calibration import Evidence, calibration_for

_CONSIDERED = 8
_WORD = re.compile(r"\w+(?:['’]\w+)*")
# "How long", "wie viele": they say what kind of answer is sought, and occur in few.
_HOW = re.compile(
    r"\b(how|wie) ?(?:long|many|much|often|far|old|large|big|high|fast|soon|quickly"
    r"|viele?|lange|oft|weit|alt|groß|hoch|teuer|schnell)\b",
    re.IGNORECASE,
)
_UNNAMED = 0.6  # what stands for the share of names found where a question has none
# What a word counts for where a text holds it but for its ending, or a part of it: compounds.
_ENDING, _PART = 0.8, 0.4


_read_lately: Lately[tuple[str, str], tuple[Stems, str]] = Lately(1_024)


@dataclass(frozen=True, slots=True)
class _Word:
    text: str
    stems: Stems
    weight: float
    named: bool


def is_relevant(
    question: str,
    passages: Sequence[Passage],
    bm25: Bm25Encoder,
    *,
    identity: str,
) -> bool:
    """Whether some of *passages*, best first, seem to answer *question*.

    *identity* is that of the embedder which gave them their cosines, and
    *bm25* knows the stems of the question's language.
    """
    if not passages:
        return False
    found = evidence(question, passages, bm25)
    return calibration_for(identity, bm25.language).accepts(found)


def evidence(question: str, passages: Sequence[Passage], bm25: Bm25Encoder) -> Evidence:
    """The measures that `is_relevant` decides on."""
    words = _words(question, bm25)
    asked = frozenset[int]().union(*(word.stems for word in words))
    synonyms = bm25.synonyms(asked)
    total = sum(word.weight for word in words) or 1.0
    names = [word for word in words if word.named]
    held, named = 0.0, 0.0 if names else _UNNAMED
    for passage in passages[:_CONSIDERED]:
        stems, folded = _read(passage, bm25)
        shares = [_share(word, stems, folded, synonyms) for word in words]
        held = max(held, sum(s * w.weight for s, w in zip(shares, words, strict=True)))
        if names:
            named = max(named, sum(not name.stems.isdisjoint(stems) for name in names) / len(names))
    cosines = [each.cosine for each in passages[:_CONSIDERED] if each.cosine is not None]
    return Evidence(
        cosine=max(cosines, default=0.0),
        coverage=held / total,
        named=named,
        held=held,
        words=len(words),
    )


def _read(passage: Passage, bm25: Bm25Encoder) -> tuple[Stems, str]:
    """The stems of all that a passage says, and its text, case folded."""
    text = f"{passage.title}\n{passage.heading}\n{passage.text}"
    key = (bm25.language, text)
    return _read_lately.of(key, lambda: (bm25.terms(text), text.casefold()))


def _words(question: str, bm25: Bm25Encoder) -> list[_Word]:
    """The question's words that carry meaning, each stem once."""
    words: list[_Word] = []
    seen: set[int] = set()
    for position, text in enumerate(_WORD.findall(_HOW.sub(r"\1", question))):
        stems = bm25.terms(text)
        if stems <= seen:
            continue
        seen |= stems
        # The first word is a capital's by grammar, not by being a name.
        named = (position > 0 and text[0].isupper()) or any(c.isdigit() for c in text)
        words.append(_Word(text.casefold(), stems, importance(text), named))
    return words


def _share(word: _Word, stems: Stems, text: str, synonyms: Synonyms) -> float:
    """How much of *word* a passage holds, from 0 to 1; *text* is the passage's, case folded."""
    if any(says(stems, stem, synonyms) for stem in word.stems):
        return 1.0
    letters = word.text
    if len(letters) >= 5 and letters[: max(5, len(letters) - 2)] in text:
        return _ENDING
    parts = (letters[:6], letters[3:9], letters[-7:])
    return _PART if len(letters) >= 9 and any(part in text for part in parts) else 0.0
