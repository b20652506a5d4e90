"""Answers on the wire: chat completion chunks as server-sent events, encoded once."""

from collections.abc import Sequence
from functools import lru_cache

import orjson


@lru_cache(maxsize=50_000)
def _json_of(token: str) -> bytes:
    return orjson.dumps(token)


def in_http_chunk(data: bytes) -> bytes:
    """*data* as one chunk of a chunked HTTP body (RFC 9112, 7.1)."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def event(value: object) -> bytes:
    """One server-sent event with *value* as JSON."""
    return b"data: %b\n\n" % orjson.dumps(value)


def stream_frames(
    tokens: Sequence[str],
    *,
    answer_id: str,
    model: str,
    finish_reason: str,
    usage: dict[str, int] | None,
) -> list[bytes]:
    """One frame for each token, ready for the socket.

    The first carries the role, too, and the last carries the finish reason,
    the usage and `[DONE]`. Without tokens there is one frame, with all of these.
    """
    fields = {"id": answer_id, "object": "chat.completion.chunk", "created": 0, "model": model}
    head = orjson.dumps(fields)[:-1]
    nothing_yet = b',"usage":null' if usage else b""

    def chunk(delta: bytes, reason: bytes = b"null") -> bytes:
        choice = b'{"index":0,"delta":%b,"finish_reason":%b}' % (delta, reason)
        return b'data: %b,"choices":[%b]%b}\n\n' % (head, choice, nothing_yet)

    before, after = chunk(b'{"content":\0}').split(b"\0")
    frames = [before + _json_of(token) + after for token in tokens] or [b""]
    frames[0] = chunk(b'{"role":"assistant","content":""}') + frames[0]
    frames[-1] += chunk(b"{}", orjson.dumps(finish_reason))
    if usage:
        frames[-1] += event({**fields, "choices": [], "usage": usage})
    frames[-1] += b"data: [DONE]\n\n"
    return [in_http_chunk(frame) for frame in frames]


def whole_answer(
    tokens: Sequence[str],
    *,
    answer_id: str,
    model: str,
    finish_reason: str,
    usage: dict[str, int] | None,
) -> bytes:
    """The answer as one JSON object."""
    message = {"role": "assistant", "content": "".join(tokens)}
    body: dict[str, object] = {
        "id": answer_id,
        "object": "chat.completion",
        "created": 0,
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": finish_reason}],
    }
    if usage:
        body["usage"] = usage
    return orjson.dumps(body)


def usage_of(prompt_tokens: int, completion_tokens: int) -> dict[str, int]:
    """OpenAI's usage object."""
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
    }


def error_of(message: str, kind: str, code: str | int | None = None) -> dict[str, object]:
    """OpenAI's error object."""
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}
