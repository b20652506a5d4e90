"""Answers from any server that speaks OpenAI's `POST /chat/completions`, streamed.

A generation holds one connection, and gives it back when the stream has been
read to its end; in every other case (an error, a stall, a reader that leaves)
the connection is closed, which is how such servers are told to stop.

Protocol: https://platform.openai.com/docs/api-reference/chat
"""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from math import inf
from typing import Literal

import msgspec

from carrel import __version__
from carrel.domain.answer import Message
from carrel.generation.completion_reader import CompletionReader
from carrel.generation.generator import Delta, Finish, GenerationRequest
from carrel.generation.prompt import build
from carrel.generation.prompt_tokens import PromptTokens
from carrel.generation.upstream_errors import UpstreamErrors
from carrel.telemetry import genai

_LENGTH = frozenset({"length", "max_tokens", "model_length"})


class OpenAICompatibleGenerator:
    """A `Generator` over one OpenAI-compatible upstream.

    Args:
        base_url: with the version, without `/chat/completions`: `https://api.openai.com/v1`.
        api_key: sent as a bearer token; None sends none.
        model: used where a request names none.
        count_tokens: counts the tokens of a text, for upstreams that report no usage.
        connect_timeout_seconds: until a connection is had, waiting for a free one included.
        first_token_timeout_seconds: from the start of the call until the first token.
        token_timeout_seconds: between one token and the next. Reasoning that
            is streamed counts as tokens here; comments that keep a connection open do not.
        max_connections: generations at a time; more wait for a connection.
        temperature: None leaves it to the upstream, as some models demand.
        limit_field: where `max_tokens` goes; OpenAI's newer models take only the second.
    """

    def __init__(
        self,
        *,
        base_url: str,
        api_key: str | None,
        model: str,
        count_tokens: Callable[[str], int],
        connect_timeout_seconds: float = 5.0,
        first_token_timeout_seconds: float = 60.0,
        token_timeout_seconds: float = 20.0,
        max_connections: int = 512,
        temperature: float | None = 0.0,
        limit_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens",
    ) -> None:
        # Imported with the adapter that needs it: aiohttp takes 0.4 s to load,
        # and a server without an upstream starts without it.
        from carrel.generation.completion_stream import Timeouts
        from carrel.generation.upstream import Upstream

        self._model = model
        self._provider = genai.provider_of(base_url)
        self._count_tokens = count_tokens
        self._prompt_tokens = PromptTokens(count_tokens)
        self._temperature = temperature
        self._limit_field = limit_field
        headers = {
            "Content-Type": "application/json",
            "Accept": "text/event-stream",
            "Accept-Encoding": "identity",  # compressors hold tokens back
            "User-Agent": f"carrel/{__version__}",
        }
        if api_key:
            headers["Authorization"] = f"Bearer {api_key}"
        self._upstream = Upstream(
            base_url.rstrip("/") + "/chat/completions",
            headers=headers,
            timeouts=Timeouts(
                connect=connect_timeout_seconds,
                first_token=first_token_timeout_seconds,
                between_tokens=token_timeout_seconds,
            ),
            max_connections=max_connections,
            errors=UpstreamErrors(api_key),
        )

    @property
    def model(self) -> str:
        """The model used where the request names none."""
        return self._model

    @property
    def models(self) -> tuple[str, ...]:
        return (self._model,)

    @property
    def prompts_at_most(self) -> int:
        return 1

    def prompt_tokens(self, request: GenerationRequest) -> int:
        return self._prompt_tokens.of(request)

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[Delta | Finish]:
        """Deltas as they arrive, then one `Finish`; see the port.

        Tokens that arrive together come as one `Delta`. Read past `Finish`, to
        the end, for the connection to be used again.
        """
        model = request.model or self._model
        messages = build(request)
        parts = self._write(
            model,
            messages,
            request.max_tokens,
            lambda: self.prompt_tokens(request),
            latest=request.deadline,
        )
        async with aclosing(parts):
            async for part in parts:
                yield part

    async def complete(self, messages: Sequence[Message], *, max_tokens: int) -> tuple[str, Finish]:
        """What the model writes to *messages*, and the end.

        Raises:
            GenerationFailed: the upstream refused, failed or stalled.
        """

        def prompt_tokens() -> int:
            return sum(self._count_tokens(each.content) for each in messages)

        texts: list[str] = []
        finish = Finish("stop", self._model, 0, 0)
        parts = self._write(self._model, messages, max_tokens, prompt_tokens)
        async with aclosing(parts):
            async for part in parts:
                if isinstance(part, Finish):
                    finish = part
                else:
                    texts.append(part.text)
        return "".join(texts), finish

    async def _write(
        self,
        model: str,
        messages: Sequence[Message],
        max_tokens: int,
        prompt_tokens: Callable[[], int],
        latest: float = inf,
    ) -> AsyncGenerator[Delta | Finish]:
        with genai.chat(model, self._provider, max_tokens) as span:
            stream = await self._upstream.open(self._body(model, messages, max_tokens), latest)
            try:
                while (text := await stream.next_text()) is not None:
                    span.once("first_token")
                    yield Delta(text)
                finish = self._finish(model, prompt_tokens, stream.reader)
                genai.chat_ended(span, finish, stream.reader.model)
                yield finish
                await stream.drain()
            finally:
                stream.close()

    async def close(self) -> None:
        """Release connections; generations under way are cut."""
        await self._upstream.close()

    def _body(self, model: str, messages: Sequence[Message], max_tokens: int) -> bytes:
        body: dict[str, object] = {
            "model": model,
            "messages": messages,
            self._limit_field: max_tokens,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if self._temperature is not None:
            body["temperature"] = self._temperature
        return msgspec.json.encode(body)

    def _finish(
        self, model: str, prompt_tokens: Callable[[], int], reader: CompletionReader
    ) -> Finish:
        # The model is named as it was asked for: prices and budgets know it by
        # that name, not by the dated one that some upstreams answer with.
        return Finish(
            finish_reason="length" if reader.finish_reason in _LENGTH else "stop",
            model=model,
            prompt_tokens=reader.prompt_tokens or prompt_tokens(),
            completion_tokens=reader.completion_tokens or self._count_tokens(reader.text),
        )
