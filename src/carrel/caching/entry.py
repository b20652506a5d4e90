"""An answer as it is kept, with what it takes to know whether it still holds."""

from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from carrel.domain.answer import Answer
from carrel.domain.document import Passage
from carrel.domain.ids import ChunkId

Evidence = frozenset[tuple[ChunkId, str]]  # chunk ids with their contents' hashes


@dataclass(frozen=True, slots=True)
class Entry:
    """An answer, written from `evidence`, which was what a search found at `corpus_version`.

    `made_at` is in seconds since the epoch. `cost_micro_usd` is what the answer cost. `scope` is
    the fingerprint of all that was asked, but for the `question`. `groups` are those of who asked
    first; None: not known.
    """

    answer: Answer
    evidence: Evidence
    corpus_version: int
    made_at: float
    cost_micro_usd: int
    question: str = ""
    scope: str = ""
    groups: tuple[str, ...] | None = None


def evidence_of(passages: Iterable[Passage]) -> Evidence:
    """What *passages* are, whatever their order and scores."""
    return frozenset((each.chunk_id, each.content_hash) for each in passages)


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Entry)


def encode(entry: Entry) -> bytes:
    return _encoder.encode(entry)


def decode(data: bytes) -> Entry:
    """Raises `msgspec.DecodeError` for what another version of Carrel has written."""
    return _decoder.decode(data)
