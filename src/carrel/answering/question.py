"""A question as the pipeline takes it."""

from collections.abc import Sequence
from dataclasses import dataclass

from carrel.domain.answer import Message
from carrel.domain.filter import Filter
from carrel.domain.ids import KeyId, RequestId, TenantId


@dataclass(frozen=True, slots=True)
class Question:
    """A question of one tenant, with what the caller asked for."""

    tenant_id: TenantId
    key_id: KeyId
    request_id: RequestId
    route: str
    text: str
    top_k: int
    max_tokens: int
    where: Filter = ()
    history: Sequence[Message] = ()
    groups: tuple[str, ...] = ()
