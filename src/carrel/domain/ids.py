"""Identifiers: opaque strings, each with a prefix that says what it names."""

import secrets
import time
from typing import NewType

TenantId = NewType("TenantId", str)
KeyId = NewType("KeyId", str)
DocumentId = NewType("DocumentId", str)
ChunkId = NewType("ChunkId", str)
CollectionName = NewType("CollectionName", str)
JobId = NewType("JobId", str)
RequestId = NewType("RequestId", str)
MoveId = NewType("MoveId", str)
ErasureId = NewType("ErasureId", str)
AnswerId = NewType("AnswerId", str)
GenerationId = NewType("GenerationId", str)

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no i, l, o, u
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]
_SHIFTS = range(120, -1, -10)


def answer_of(generation_id: GenerationId) -> AnswerId:
    """The id of the answer that a generation writes: known before there is any of it."""
    return AnswerId("ans_" + generation_id.removeprefix("gen_"))


def generation_of(answer_id: AnswerId) -> GenerationId:
    """The generation that wrote an answer, if one did: `answer_of`'s inverse."""
    return GenerationId("gen_" + answer_id.removeprefix("ans_"))


def new_id(prefix: str) -> str:
    """A fresh id, `prefix_` and 26 characters: 48 bits of milliseconds, then 82 random bits.

    Ids made later sort later, so that database pages fill in order.
    """
    value = (time.time_ns() // 1_000_000) << 82 | secrets.randbits(82)
    digits = [_PAIRS[(value >> shift) & 1023] for shift in _SHIFTS]
    return f"{prefix}_{''.join(digits)}"
