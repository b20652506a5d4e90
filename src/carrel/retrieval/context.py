"""Which passages an answer is written from: pure choices, over what a search returned.

What is chosen stays in the order of its rank: a source's number is its place in
that order, wherever in a prompt it is shown.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from carrel.domain.document import Passage
from carrel.domain.ids import ChunkId
from carrel.lately import Lately
from carrel.vectors.schema import neighbour
from carrel.vectors.store import StoredChunk

SPARE = 8  # passages fetched beyond those asked for, to take the place of repetitions

_REPEATED = 0.9  # of the shorter passage's words
# More passages than this share are of one document only where others score clearly less.
_ONE_DOCUMENT = 0.75
_AS_GOOD = 0.95
_READ_CLOSELY = 3  # the best passages, whose broken ends are worth a look at the neighbour
_MOST_OF_A_LIST = 1_200  # characters of the next chunk
_BYTES_A_TOKEN = 3

_ENDS_WHOLE = re.compile(r"[.!?…。\uff01\uff1f]['\"’”»)\]*_`]*$|[|`]$")
_BEGINS_WHOLE = re.compile(r"[^a-zß-öø-ÿ,;)]")
_LAST_LINE_IS_ITEM = re.compile(r"(?:^|\n)\s*(?:[-*+•–]|\d{1,3}[.)])\s[^\n]*$")
_ITEM_LINES = re.compile(r"\s*(?:(?:[-*+•–]|\d{1,3}[.)])\s[^\n]*(?:\n|$)|[ \t]+\S[^\n]*(?:\n|$))+")
_SENTENCE_END = re.compile(r"[.!?…。\uff01\uff1f]['\"’”»)\]]*(?=\s|$)")
_THOUGHT_END = re.compile(_SENTENCE_END.pattern + r"|(?=\n\s*\n)")


class _Told(NamedTuple):
    """The words of a passage, and those of them that hold a digit."""

    words: frozenset[str]
    numbers: frozenset[str]


_told_lately: Lately[str, _Told] = Lately(1_024)  # of passages that many ask about


@dataclass(frozen=True, slots=True)
class Gap:
    """A passage that breaks off, and the neighbouring chunk that may complete it."""

    passage: ChunkId
    neighbour: ChunkId
    after: bool  # the neighbour comes after the passage, not before it


def choose(passages: Sequence[Passage], limit: int) -> list[Passage]:
    """The *limit* best of *passages*: none says what a better one says, no document crowds out all.

    Passages that differ in a number are not repetitions: they disagree, which matters.
    """
    distinct = _distinct(passages)
    chosen, rest = distinct[:limit], distinct[limit:]
    most = max(2, int(limit * _ONE_DOCUMENT))
    held = Counter(each.document_id for each in chosen)
    for other in rest:
        crowding = [each for each in chosen if held[each.document_id] > most]
        if not crowding or other.score < _AS_GOOD * crowding[-1].score:
            break
        if held[other.document_id] < most:
            chosen.remove(crowding[-1])
            chosen.append(other)
            held[crowding[-1].document_id] -= 1
            held[other.document_id] += 1
    return chosen


def gaps(passages: Sequence[Passage]) -> list[Gap]:
    """Where the best of *passages* break off in the middle of a thought, neighbours unlisted."""
    listed = {each.chunk_id for each in passages}
    found: list[Gap] = []
    for passage in passages[:_READ_CLOSELY]:
        for breaks, step in ((_breaks_off(passage.text), 1), (_sets_in(passage.text), -1)):
            other = neighbour(passage.chunk_id, step) if breaks else None
            if other is not None and other not in listed:
                found.append(Gap(passage.chunk_id, other, after=step > 0))
    return found


def completed(
    passages: Sequence[Passage], found: Sequence[Gap], chunks: Mapping[ChunkId, StoredChunk]
) -> list[Passage]:
    """*passages* with what completes them taken from *chunks*.

    A completed passage is still one stretch of its document. A chunk of another
    version, or one that does not touch the passage, completes nothing.
    """
    whole = {each.chunk_id: each for each in passages}
    for gap in found:
        chunk, passage = chunks.get(gap.neighbour), whole[gap.passage]
        if chunk is None or (chunk.document_id, chunk.version) != (
            passage.document_id,
            passage.version,
        ):
            continue
        whole[gap.passage] = _with_next(passage, chunk) if gap.after else _with_last(passage, chunk)
    return list(whole.values())


def fit(passages: Sequence[Passage], tokens: int) -> list[Passage]:
    """As many of *passages* as *tokens* hold, best first; the best one always."""
    kept: list[Passage] = []
    left = tokens
    for passage in passages:
        cost = tokens_of(passage.text) + tokens_of(passage.title + passage.heading) + 20
        if not kept or cost <= left:
            kept.append(passage)
            left -= cost
    return kept


def tokens_of(text: str) -> int:
    """About how many tokens a model reads in *text*, rather more than fewer.

    A third of its bytes in UTF-8: English comes to 1.4 times a real tokenizer's count,
    German to 1.2, Chinese to about 1.
    """
    return -(-len(text.encode()) // _BYTES_A_TOKEN)


def _distinct(passages: Sequence[Passage]) -> list[Passage]:
    kept: list[Passage] = []
    told: list[_Told] = []
    for passage in passages:
        text = passage.text
        says = _told_lately.of(text, lambda text=text: _told(text))
        if not any(_repeats(says, other) for other in told):
            kept.append(passage)
            told.append(says)
    return kept


def _told(text: str) -> _Told:
    words = frozenset(text.casefold().split())
    return _Told(words, frozenset(word for word in words if any(map(str.isdigit, word))))


def _repeats(one: _Told, other: _Told) -> bool:
    if not one.numbers <= other.numbers:
        return False
    enough = _REPEATED * min(len(one.words), len(other.words))
    return len(one.words & other.words) >= enough


def _breaks_off(text: str) -> bool:
    end = text.rstrip()
    return _ENDS_WHOLE.search(end[-8:]) is None or _LAST_LINE_IS_ITEM.search(end[-400:]) is not None


def _sets_in(text: str) -> bool:
    return _BEGINS_WHOLE.match(text.lstrip()) is None


def _with_next(passage: Passage, chunk: StoredChunk) -> Passage:
    """*passage* up to where its last sentence, or its list, ends in the next chunk."""
    overlap = passage.end - chunk.chunk.start
    if not 0 <= overlap < len(chunk.chunk.text):
        return passage
    more = chunk.chunk.text[overlap:]
    if _LAST_LINE_IS_ITEM.search(passage.text.rstrip()[-400:]):
        items = _ITEM_LINES.match(more[:_MOST_OF_A_LIST])
        length = len(items[0].rstrip()) if items else 0
    else:
        thought = _THOUGHT_END.search(more)
        length = thought.end() if thought else len(more)
    return replace(passage, text=passage.text + more[:length], end=passage.end + length)


def _with_last(passage: Passage, chunk: StoredChunk) -> Passage:
    """*passage* from where its first sentence begins in the chunk before."""
    length = passage.start - chunk.chunk.start
    if not 0 < length <= len(chunk.chunk.text):
        return passage
    before = chunk.chunk.text[:length]
    ends = [found.end() for found in _SENTENCE_END.finditer(before)]
    cut = ends[-1] if ends else max(before.rfind("\n"), 0)
    cut += len(before[cut:]) - len(before[cut:].lstrip())
    return replace(passage, text=before[cut:] + passage.text, start=passage.start - (length - cut))
