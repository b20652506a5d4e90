"""A question as it is kept with its generation: enough to ask it again, and who may.

Neither the key nor the request that asked is part of it: whoever asks again does so as itself.
"""

from collections.abc import Collection
from datetime import datetime

import msgspec

from carrel.answering.question import Question
from carrel.domain.answer import CacheUse, Message
from carrel.domain.document import Scalar
from carrel.domain.filter import AnyOf, Between, Condition, During


class _Bounds(msgspec.Struct, array_like=True, tag="between"):
    field: str
    gte: float | None
    lte: float | None


class _Times(msgspec.Struct, array_like=True, tag="during"):
    field: str
    gte: datetime | None
    lte: datetime | None


class _Values(msgspec.Struct, array_like=True, tag="any"):
    field: str
    values: tuple[Scalar, ...]


class KeptQuestion(msgspec.Struct, frozen=True):
    """What was asked, and the groups whose documents it was asked of."""

    text: str
    top_k: int
    max_tokens: int
    groups: tuple[str, ...]
    history: tuple[Message, ...]
    where: tuple[_Bounds | _Times | _Values, ...]
    cache: CacheUse
    route: str

    def is_for(self, groups: Collection[str]) -> bool:
        """Whether who is in *groups* sees every document that the asker could."""
        return set(self.groups) <= set(groups)

    def conditions(self) -> tuple[Condition, ...]:
        return tuple(_condition(each) for each in self.where)


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(KeptQuestion).decode


def as_kept(question: Question) -> bytes:
    """What of *question* is kept."""
    return _encode(
        KeptQuestion(
            text=question.text,
            top_k=question.top_k,
            max_tokens=question.max_tokens,
            groups=question.groups,
            history=tuple(question.history),
            where=tuple(_kept(each) for each in question.where),
            cache=question.cache,
            route=question.route,
        )
    )


def as_asked(data: bytes) -> KeptQuestion:
    """Raises `msgspec.DecodeError` for what another version of Carrel has written."""
    return _decode(data)


def _kept(condition: Condition) -> _Bounds | _Times | _Values:
    if isinstance(condition, AnyOf):
        return _Values(condition.field, condition.values)
    if isinstance(condition, During):
        return _Times(condition.field, condition.gte, condition.lte)
    return _Bounds(condition.field, condition.gte, condition.lte)


def _condition(kept: _Bounds | _Times | _Values) -> Condition:
    if isinstance(kept, _Values):
        return AnyOf(kept.field, kept.values)
    if isinstance(kept, _Times):
        return During(kept.field, kept.gte, kept.lte)
    return Between(kept.field, kept.gte, kept.lte)
