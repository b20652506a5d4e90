"""The settings of the upstreams that write answers, and of how many may be written at once."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr, model_validator

from carrel.model_settings import Section

ONLY = "default"  # what the upstream is called where there is one
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}")


def _with_scheme(url: str) -> str:
    if not url.startswith(("http://", "https://")):
        raise ValueError("a URL begins with http:// or https://")
    return url


def _named(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError("up to 40 of a to z, 0 to 9, dots, hyphens and underscores")
    return name


HttpUrl = Annotated[str, AfterValidator(_with_scheme)]


class UpstreamSettings(Section):
    """One upstream of several. What is None is as it is set for all."""

    name: Annotated[str, AfterValidator(_named)]
    base_url: HttpUrl
    api_key: SecretStr | None = None
    model: Annotated[str, Field(min_length=1)]
    priority: int = Field(default=1, ge=0, le=100)
    weight: int = Field(default=1, ge=1, le=1000)
    max_concurrency: int | None = Field(default=None, ge=1)
    connect_timeout_seconds: float | None = Field(default=None, gt=0)
    first_token_timeout_seconds: float | None = Field(default=None, gt=0)
    token_timeout_seconds: float | None = Field(default=None, gt=0)


class LlmSettings(Section):
    """The upstreams that write answers. Without any, answers are extractive."""

    base_url: str | None = Field(
        default=None, description="an OpenAI-compatible API, up to and with /v1"
    )
    api_key: SecretStr | None = Field(default=None, description="sent as a bearer token")
    model: str | None = Field(default=None, description="the model asked for; needed with base_url")
    upstreams: tuple[UpstreamSettings, ...] = Field(
        default=(),
        description='several, in place of the one above: [{"name": "…", "base_url": "…", '
        '"api_key": "…", "model": "…", "priority": 1, "weight": 1, "max_concurrency": 100}]',
    )
    connect_timeout_seconds: float = Field(default=5, gt=0, description="to open a connection")
    first_token_timeout_seconds: float = Field(default=60, gt=0, description="to the first token")
    token_timeout_seconds: float = Field(default=20, gt=0, description="between two tokens")
    total_timeout_seconds: float = Field(
        default=600, gt=0, description="for an answer, with all that is tried for it"
    )
    retry_share: float = Field(
        default=0.2, ge=0, le=1, description="of requests that may be sent to another upstream"
    )
    max_connections: int = Field(default=512, gt=0, description="open connections to an upstream")
    context_tokens: int = Field(
        default=8_000, ge=500, description="most tokens of sources and conversation in a prompt"
    )
    standalone_timeout_seconds: float = Field(
        default=3, ge=0, description="to make a follow-up question stand alone; 0: by rule alone"
    )

    @property
    def chosen(self) -> list[UpstreamSettings]:
        """The upstreams, one or several; none: extractive answers."""
        if self.base_url is None or self.model is None:
            return list(self.upstreams)
        one = UpstreamSettings.model_construct(
            name=ONLY, base_url=self.base_url, api_key=self.api_key, model=self.model
        )
        return [one]

    @model_validator(mode="after")
    def _sensible(self) -> "LlmSettings":
        if self.upstreams and (self.base_url or self.model or self.api_key):
            raise ValueError("set UPSTREAMS, or BASE_URL, MODEL and API_KEY, but not both")
        names = [each.name for each in self.upstreams]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise ValueError(f"UPSTREAMS has two that are named {twice}")
        return self


class OverloadSettings(Section):
    """How many answers are written at once, in each API process."""

    max_streams: int = Field(
        default=512, ge=1, description="answers written at once; more are refused with 503"
    )
    adaptive: bool = Field(
        default=True, description="fewer, while first tokens come much later than they did"
    )
    slow_seconds: float = Field(
        default=3.0,
        gt=0,
        description="by which the first token may come later than twice its usual time",
    )
    tenant_share: float = Field(
        default=4.0,
        gt=0,
        description="answers of one tenant at once, for each place that is free",
    )
