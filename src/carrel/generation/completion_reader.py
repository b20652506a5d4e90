"""A streamed chat completion, from the data of its events to text, ending and usage.

A reader belongs to one answer. It is given every event in order, and keeps
what the end of the answer will need.

Format: https://platform.openai.com/docs/api-reference/chat-streaming, and what
compatible servers make of it: fields that are null or absent, text in parts,
usage in every chunk or in none, errors without an `error` key.
"""

from typing import Any, Final, cast

import msgspec

_DONE: Final = b"[DONE]"
_MOST_TOKENS: Final = 1_000_000_000  # a report of more, or of less than none, is a mistake


class _Part(msgspec.Struct, gc=False):
    type: str = ""
    text: str = ""


class _Delta(msgspec.Struct):
    content: str | list[_Part] | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None


class _Choice(msgspec.Struct):
    delta: _Delta | None = None
    finish_reason: str | None = None


class _Usage(msgspec.Struct, gc=False):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class _Chunk(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    error: Any = None
    model: Any = None


_decode = msgspec.json.Decoder(_Chunk).decode


class MalformedEvent(ValueError):
    """An event whose data is not a chunk of a chat completion."""


class ReportedError(Exception):
    """An error that the upstream reported inside the stream; `error` is what it said."""

    def __init__(self, error: object) -> None:
        super().__init__("the upstream reported an error inside the stream")
        self.error = error


class CompletionReader:
    """What has been read of one answer.

    Attributes:
        done: the upstream has said that nothing follows.
        finish_reason: why it stopped, in its own word; None while it writes.
        thinking: reasoning came, which is progress but not text; the caller resets it.
        model: as the upstream names it; None until it has.
        prompt_tokens: as the upstream reports them; 0 until it has.
        completion_tokens: likewise.
    """

    __slots__ = (
        "_pieces",
        "completion_tokens",
        "done",
        "finish_reason",
        "model",
        "prompt_tokens",
        "thinking",
    )

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self.done = False
        self.thinking = False
        self.finish_reason: str | None = None
        self.model: str | None = None
        self.prompt_tokens = 0
        self.completion_tokens = 0

    @property
    def complete(self) -> bool:
        """Whether the answer is whole; usage may still follow."""
        return self.done or self.finish_reason is not None

    @property
    def text(self) -> str:
        """The answer so far."""
        return "".join(self._pieces)

    def read(self, data: bytes) -> str:
        """The text that one event adds; empty for those that add none.

        Raises:
            MalformedEvent: the event is no completion chunk.
            ReportedError: the event reports an error.
        """
        if data == _DONE:
            self.done = True
            return ""
        try:
            chunk = _decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise MalformedEvent(str(error)) from error
        if chunk.error:
            raise ReportedError(chunk.error)
        if self.model is None and isinstance(chunk.model, str):
            self.model = chunk.model[:200]
        if chunk.usage is not None:  # cumulative, where a server sends it more than once
            self.prompt_tokens = _plausible(chunk.usage.prompt_tokens)
            self.completion_tokens = _plausible(chunk.usage.completion_tokens)
        if chunk.choices:
            return self._read_choice(chunk.choices[0])
        if chunk.usage is None:
            _raise_a_bare_error(data)
        return ""

    def _read_choice(self, choice: _Choice) -> str:
        if choice.finish_reason:
            self.finish_reason = choice.finish_reason
        delta = choice.delta
        if delta is None:
            return ""
        text = delta.content or delta.refusal
        if isinstance(text, list):  # parts: the model's reasoning, then its text
            parts, text = text, "".join(part.text for part in text if part.type == "text")
            if parts and not text:
                self.thinking = True
        elif not text:
            if delta.reasoning_content or delta.reasoning:
                self.thinking = True
            return ""
        self._pieces.append(text)
        return text


def _plausible(tokens: int | None) -> int:
    return tokens if tokens is not None and 0 <= tokens <= _MOST_TOKENS else 0


def _raise_a_bare_error(data: bytes) -> None:
    """Some servers send an error as the event itself: `{"object": "error", "message": …}`."""
    event = cast("dict[str, object]", msgspec.json.decode(data))
    if "error" in (event.get("object"), event.get("type")):
        raise ReportedError(event)
