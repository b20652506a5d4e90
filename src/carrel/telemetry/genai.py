"""What spans of models are called, so that tools for them understand ours.

Pinned: OpenTelemetry's semantic conventions for generative AI, release v0.1.0, which are
still "development". https://github.com/open-telemetry/semantic-conventions-genai
"""

from typing import Protocol

from carrel.telemetry import trace

SCHEMA = "https://opentelemetry.io/schemas/gen-ai/0.1.0"
_PROVIDERS = {
    "api.openai.com": "openai",
    "openai.azure.com": "azure.ai.openai",
    "api.mistral.ai": "mistral_ai",
    "api.groq.com": "groq",
    "api.deepseek.com": "deepseek",
    "api.anthropic.com": "anthropic",
    "api.x.ai": "x_ai",
}


def provider_of(url: str) -> str:
    """Whose API answers at *url*; `openai_compatible`, a name of ours, where that can't be told."""
    for host, name in _PROVIDERS.items():
        if f"{host}/" in f"{url}/":
            return name
    return "openai_compatible"


def chat(model: str, provider: str, max_tokens: int) -> trace.Span | trace.Nothing:
    """The span of a model's answer, streamed."""
    span = trace.span(f"chat {model}", "client")
    span.put(
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": provider,
            "gen_ai.request.model": model,
            "gen_ai.request.max_tokens": max_tokens,
            "gen_ai.request.stream": True,
        }
    )
    return span


class Ended(Protocol):
    """How a model's answer ended."""

    @property
    def finish_reason(self) -> str: ...
    @property
    def prompt_tokens(self) -> int: ...
    @property
    def completion_tokens(self) -> int: ...


def chat_ended(span: trace.Span | trace.Nothing, end: Ended, response_model: str | None) -> None:
    """What a model said of its answer, at the *end* of it."""
    span.put(
        {
            "gen_ai.response.model": response_model,
            "gen_ai.response.finish_reasons": (end.finish_reason,),
            "gen_ai.usage.input_tokens": end.prompt_tokens,
            "gen_ai.usage.output_tokens": end.completion_tokens,
        }
    )


def embeddings(model: str, provider: str, dimensions: int) -> trace.Span | trace.Nothing:
    """The span of a request to an embedding service."""
    span = trace.span(f"embeddings {model}", "client")
    span.put(
        {
            "gen_ai.operation.name": "embeddings",
            "gen_ai.provider.name": provider,
            "gen_ai.request.model": model,
            "gen_ai.embeddings.dimension.count": dimensions,
        }
    )
    return span


def retrieval(span: trace.Span | trace.Nothing, top_k: int) -> None:
    """What a search for passages says of itself."""
    span.put({"gen_ai.operation.name": "retrieval", "gen_ai.retrieval.top_k": top_k})
