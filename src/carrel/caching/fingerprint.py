"""What makes two questions one: everything that an answer depends on, but for the documents.

The documents are told apart by the tenant's corpus version and by the evidence, which
are kept with the answer. Two questions of two tenants, or of two sets of groups, never
have one fingerprint.
"""

import hashlib
import unicodedata
from collections.abc import Collection, Sequence
from typing import NewType

import msgspec

from carrel.domain.answer import Message
from carrel.domain.filter import Filter
from carrel.domain.ids import TenantId

Fingerprint = NewType("Fingerprint", str)

_BYTES = 24
_encode = msgspec.msgpack.Encoder(order="deterministic").encode


def fingerprint(
    tenant_id: TenantId,
    question: str,
    *,
    groups: Collection[str],
    history: Sequence[Message],
    where: Filter,
    top_k: int,
    max_tokens: int,
    setup: str,
) -> Fingerprint:
    """The name of everything given, 48 hexadecimal digits.

    *setup* stands for the server's own share: models, prompts and how passages are chosen.
    """
    said = [(turn.role, normalised(turn.content)) for turn in history]
    conditions = [(type(each).__name__, each) for each in where]
    # A list, with each value's type and length in its encoding: no two inputs run together.
    everything = [
        tenant_id,
        sorted(set(groups)),
        normalised(question),
        said,
        conditions,
        top_k,
        max_tokens,
        setup,
    ]
    return Fingerprint(hashlib.blake2b(_encode(everything), digest_size=_BYTES).hexdigest())


def normalised(text: str) -> str:
    """*text* in Unicode's composed form, with single spaces: the words, letter for letter.

    Capitals stay: "Who is it?" and "WHO is it?" may be two questions.
    """
    return " ".join(unicodedata.normalize("NFC", text).split())
