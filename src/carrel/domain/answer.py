"""Answers: what was said, from which passages, and at what cost."""

from dataclasses import dataclass
from typing import Literal

from carrel.domain.document import Passage
from carrel.domain.ids import AnswerId, ChunkId, DocumentId

FinishReason = Literal["stop", "length", "no_evidence"]
CacheStatus = Literal["miss", "exact", "semantic", "shared"]
CacheUse = Literal["use", "bypass", "refresh"]
Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Citation:
    """A mark `[index]` in an answer, tied to the span of a document that supports it.

    `index` counts sources from 1. `start` and `end` are character offsets in
    the document's text, and `quote` is the text between them.
    """

    index: int
    chunk_id: ChunkId
    document_id: DocumentId
    title: str
    page: int | None
    heading: str
    start: int
    end: int
    quote: str


@dataclass(frozen=True, slots=True)
class TokenUsage:
    """Tokens of one answer, and its cost in micro-dollars (None: the model's price is unknown)."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    embedding_tokens: int = 0
    cost_micro_usd: int | None = 0
    saved_micro_usd: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """A finished answer."""

    id: AnswerId
    text: str
    model: str
    finish_reason: FinishReason
    citations: tuple[Citation, ...]
    sources: tuple[Passage, ...]
    usage: TokenUsage
    cache_status: CacheStatus = "miss"
    cache_age_seconds: int | None = None  # None: it was written for this question
    cache_similarity: float | None = None
