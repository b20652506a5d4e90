"""Answers, passages and documents as the contract writes them."""

from decimal import Decimal
from typing import Any

from carrel.domain.answer import Answer, Citation, TokenUsage
from carrel.domain.document import Document, Passage
from carrel.telemetry.stages import Stages


def usd(micro_usd: int | None) -> str | None:
    """Micro-dollars as a decimal string of dollars; None: not known."""
    if micro_usd is None:
        return None
    text = f"{Decimal(micro_usd) / 1_000_000:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def answer(value: Answer, stages: Stages) -> dict[str, Any]:
    return {**content(value), **circumstances(value, stages)}


def content(value: Answer) -> dict[str, Any]:
    """The part of an answer that stays the same however often it is given."""
    return {
        "id": value.id,
        "answer": value.text,
        "model": value.model,
        "finish_reason": value.finish_reason,
        "citations": [citation(each) for each in value.citations],
        "sources": [source(each) for each in value.sources],
    }


def circumstances(value: Answer, stages: Stages) -> dict[str, Any]:
    """The part of an answer that is of the request alone that it is given to."""
    timings = {name: round(spent, 1) for name, spent in stages.milliseconds.items()}
    return {"cache": cache(value), "usage": usage(value.usage), "timings_ms": timings}


def cache(value: Answer) -> dict[str, Any]:
    return {
        "status": value.cache_status,
        "age_seconds": value.cache_age_seconds,
        "similarity": value.cache_similarity,
    }


def citation(value: Citation) -> dict[str, Any]:
    return {
        "index": value.index,
        "chunk_id": value.chunk_id,
        "document_id": value.document_id,
        "title": value.title,
        "page": value.page,
        "heading": value.heading,
        "start": value.start,
        "end": value.end,
        "quote": value.quote,
    }


def source(value: Passage) -> dict[str, Any]:
    return {
        "chunk_id": value.chunk_id,
        "document_id": value.document_id,
        "title": value.title,
        "text": value.text,
        "score": round(value.score, 6),
        "page": value.page,
        "heading": value.heading,
        "start": value.start,
        "end": value.end,
        "metadata": dict(value.metadata),
    }


def usage(value: TokenUsage) -> dict[str, Any]:
    return {
        "prompt_tokens": value.prompt_tokens,
        "completion_tokens": value.completion_tokens,
        "total_tokens": value.prompt_tokens + value.completion_tokens,
        "embedding_tokens": value.embedding_tokens,
        "cost_usd": usd(value.cost_micro_usd),
        "saved_usd": usd(value.saved_micro_usd),
    }


def document(value: Document) -> dict[str, Any]:
    return {
        "id": value.id,
        "status": value.status,
        "title": value.title,
        "media_type": value.media_type,
        "bytes": value.bytes,
        "chunks": value.chunks,
        "version": value.version,
        "error": value.error,
        "progress": round(value.progress, 3),
        "created_at": value.created_at,
        "updated_at": value.updated_at,
        "metadata": dict(value.metadata),
        "groups": list(value.groups),
    }
