"""Settings, read from the environment: prefix `CARREL_`, nested by `__`.

Every setting has a default that works on a fresh machine; docs/configuration.md
lists them all. A variable with the prefix that names no setting is an error: a
misspelt limit must not pass for one.
"""

import os
import re
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from types import UnionType
from typing import TYPE_CHECKING, Literal, get_args
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import (
    Field,
    FilePath,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict
from pydantic_settings import SettingsError as UnreadableError

from carrel.ingestion_settings import IngestionSettings, OriginalsSettings
from carrel.llm_settings import HttpUrl, LlmSettings, OverloadSettings
from carrel.model_settings import EmbedderSettings, RerankerSettings, Section

if TYPE_CHECKING:
    from carrel.tenancy.jwt_keys import VerifyingKey

PREFIX = "CARREL_"
ENV_FILE = ".env"
# Read by the command line and the process tree, not by the server's settings.
OTHER_VARIABLES = frozenset({"CARREL_URL", "CARREL_API_KEY"})
MINIMUM_ADMIN_KEY = 32
_SERVER_NAME = re.compile(r"[a-z0-9-]{1,40}")


class JwtSettings(Section):
    """Signed tokens beside API keys: of one issuer, verified by one kind of key."""

    issuer: str | None = Field(default=None, description="what a token's `iss` must be")
    audience: str | None = Field(default=None, description="what a token's `aud` must hold")
    jwks_url: str | None = Field(default=None, description="where the issuer publishes its keys")
    public_key: str | None = Field(default=None, description="PEM, or the path of a PEM file")
    secret: SecretStr | None = Field(
        default=None, description="shared with the issuer; at least 32 random bytes"
    )
    algorithms: str | None = Field(
        default=None, description="comma-separated; default: those of the key's kind"
    )
    leeway_seconds: float = Field(default=30, ge=0, le=300, description="for clocks that differ")
    tenant_claim: str = Field(default="tenant_id", min_length=1, description="the tenant's id")
    scopes_claim: str = Field(default="scope", min_length=1, description="a list, or words")
    groups_claim: str = Field(default="groups", min_length=1, description="a list")

    @property
    def algorithm_names(self) -> frozenset[str]:
        return frozenset((self.algorithms or "").replace(",", " ").split())

    def fixed_key(self) -> "VerifyingKey | None":
        """The public key or secret that is set.

        Raises:
            ValueError: it can't be used; the message says why, and holds nothing of it.
        """
        from carrel.tenancy import jwt_keys

        if self.secret is not None:
            return jwt_keys.from_secret(self.secret.get_secret_value(), self.algorithm_names)
        if self.public_key is not None:
            return jwt_keys.from_pem(_pem(self.public_key), self.algorithm_names)
        jwt_keys.check_public(self.algorithm_names)
        return None

    @model_validator(mode="after")
    def _whole(self) -> "JwtSettings":
        keys = [key for key in (self.jwks_url, self.public_key, self.secret) if key is not None]
        if not keys and self.model_fields_set:
            raise ValueError("set one of JWKS_URL, PUBLIC_KEY and SECRET, too")
        if len(keys) > 1:
            raise ValueError("set only one of JWKS_URL, PUBLIC_KEY and SECRET")
        if keys and not (self.issuer and self.audience):
            raise ValueError("set both ISSUER and AUDIENCE, too: tokens for others must not pass")
        if self.jwks_url is not None and not _is_private(self.jwks_url):
            raise ValueError("JWKS_URL must be https: whoever can change the keys is every tenant")
        if keys:
            self.fixed_key()
        return self


class RetrievalSettings(Section):
    """How passages are found."""

    candidates: int = Field(
        default=100, ge=1, le=1000, description="length of each list before fusion"
    )
    alpha: float | None = Field(
        default=None, ge=0, le=1, description="share of keywords in the fused score"
    )


class CacheSettings(Section):
    """What is kept of answers and searches; it is served only while it still holds."""

    enabled: bool = Field(default=True, description="false: every question is answered anew")
    ttl_seconds: int = Field(default=86_400, ge=1, description="for which an answer is kept")
    answers_mebibytes: int = Field(
        default=64, ge=1, description="of answers in a process's memory, where there is no Redis"
    )
    semantic_threshold: float | None = Field(
        default=None,
        ge=0.5,
        le=1,
        description="least cosine of questions that may mean the same; default: the embedder's own",
    )
    searches_mebibytes: int = Field(
        default=32, ge=0, description="of searches in a process's memory; 0: none are kept"
    )


class DrainSettings(Section):
    """How an API process leaves."""

    notice_seconds: float = Field(
        default=0, ge=0, description="requests are still taken after SIGTERM, with /readyz at 503"
    )
    grace_seconds: float = Field(
        default=20, ge=0, description="for what is under way; then it ends with an error"
    )


class LogSettings(Section):
    """What the server writes to standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="least level"
    )
    format: Literal["text", "json"] = Field(default="text", description="json: one object a line")


class TracingSettings(Section):
    """Where traces go. Without an endpoint, here or in OpenTelemetry's variables, none are made."""

    endpoint: HttpUrl | None = Field(
        default=None, description="a collector that takes OTLP over HTTP: http://collector:4318"
    )
    ratio: float = Field(default=1.0, ge=0, le=1, description="share of requests that are recorded")
    follow_callers: bool = Field(
        default=False, description="record what a caller's traceparent says it records"
    )


class Price(Section):
    """US dollars for a million tokens."""

    input: Decimal = Field(ge=0)
    output: Decimal = Field(ge=0)


class QdrantServer(Section):
    """A Qdrant server for tenants that share none; the rest is as for the shared one."""

    url: HttpUrl
    api_key: SecretStr | None = None
    grpc_port: int = Field(default=6334, ge=1, le=65535)
    ca_file: FilePath | None = None


class Settings(BaseSettings):
    """Everything that can be set."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", env_file=ENV_FILE, extra="ignore", frozen=True
    )

    admin_key: SecretStr | None = Field(
        default=None,
        description="at least 32 random characters; without it, one is made at first start",
    )
    data_dir: Path = Field(
        default=Path(".carrel"), description="everything Carrel keeps on this machine"
    )
    database_url: SecretStr | None = Field(
        default=None,
        description="postgresql://user:password@host/name; default: SQLite in data_dir",
    )
    redis_url: SecretStr | None = Field(
        default=None, description="redis://user:password@host:6379/0: what processes share"
    )
    streams_kept_seconds: float = Field(
        default=120, ge=1, le=3_600, description="after its end, a streamed answer can be resumed"
    )
    redis_timeout_seconds: float = Field(
        default=0.05, gt=0, description="for one call; a Redis that takes longer counts as down"
    )
    qdrant_url: HttpUrl | None = Field(
        default=None, description="a Qdrant server instead of the embedded engine; https uses TLS"
    )
    qdrant_api_key: SecretStr | None = Field(default=None, description="the Qdrant server's key")
    qdrant_grpc_port: int = Field(
        default=6334, ge=1, le=65535, description="the server's gRPC port; no other is used"
    )
    qdrant_ca_file: FilePath | None = Field(
        default=None, description="PEM file of a private certificate authority"
    )
    qdrant_collection: str = Field(default="carrel", description="the shared collection")
    qdrant_read_timeout_seconds: float = Field(default=5, gt=0, description="for a search")
    qdrant_write_timeout_seconds: float = Field(default=60, gt=0, description="for a write")
    qdrant_shards: int = Field(default=1, ge=1, description="of a collection newly made")
    qdrant_replication_factor: int = Field(
        default=1, ge=1, description="copies of each shard of a collection newly made"
    )
    qdrant_write_consistency_factor: int = Field(
        default=1, ge=1, description="copies that acknowledge a write, of a collection newly made"
    )
    qdrant_servers: dict[str, QdrantServer] = Field(
        default={},
        description="servers for tenants that share none: "
        '{"name": {"url": "https://…", "api_key": "…", "grpc_port": 6334, "ca_file": null}}',
    )
    prices: dict[str, Price] = Field(
        default={},
        description='US dollars per million tokens: {"model": {"input": 0.15, "output": 0.60}}',
    )
    llm: LlmSettings = LlmSettings()
    overload: OverloadSettings = OverloadSettings()
    embedder: EmbedderSettings = EmbedderSettings()
    previous_embedder: EmbedderSettings | None = None
    reranker: RerankerSettings = RerankerSettings()
    ingestion: IngestionSettings = IngestionSettings()
    originals: OriginalsSettings = OriginalsSettings()
    retrieval: RetrievalSettings = RetrievalSettings()
    cache: CacheSettings = CacheSettings()
    drain: DrainSettings = DrainSettings()
    log: LogSettings = LogSettings()
    tracing: TracingSettings = TracingSettings()
    jwt: JwtSettings = JwtSettings()

    @field_validator("admin_key")
    @classmethod
    def _strong(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None and (weakness := admin_key_weakness(key.get_secret_value())):
            raise ValueError(f"{weakness}; make one with: openssl rand -hex 32")
        return key

    @field_validator("qdrant_servers")
    @classmethod
    def _named(cls, servers: dict[str, QdrantServer]) -> dict[str, QdrantServer]:
        for name in servers:
            if not _SERVER_NAME.fullmatch(name):
                raise ValueError(
                    f"{name!r} is no name of a server: up to 40 of a to z, 0 to 9 and hyphens"
                )
        return servers

    @field_validator("data_dir")
    @classmethod
    def _absolute(cls, path: Path) -> Path:
        return path.expanduser().absolute()

    @property
    def embedders(self) -> list[EmbedderSettings]:
        """The embedder, and the one before it while tenants are on the way from that."""
        return [self.embedder, *([self.previous_embedder] if self.previous_embedder else [])]

    @property
    def sql_url(self) -> str:
        """The database's URL with the driver that Carrel uses."""
        if self.database_url is None:
            return f"sqlite:///{self.data_dir / 'carrel.db'}"
        url = self.database_url.get_secret_value()
        for plain in ("postgresql://", "postgres://"):
            if url.startswith(plain):
                return "postgresql+asyncpg://" + url.removeprefix(plain)
        return url


class SettingsError(Exception):
    """The environment does not make valid settings; the message lists each fault."""


def load_settings(environment: Mapping[str, str | None] | None = None) -> Settings:
    """The settings of this environment.

    Raises:
        SettingsError: a value is invalid, or a variable names no setting.
    """
    variables = {**dotenv_values(ENV_FILE), **os.environ} if environment is None else environment
    if unknown := sorted(_unknown(variables)):
        raise SettingsError(
            f"no such setting: {', '.join(unknown)}. docs/configuration.md lists all settings."
        )
    try:
        settings = Settings()
    except ValidationError as error:
        raise SettingsError(_explain(error)) from None
    except UnreadableError as error:
        named = re.search(r'field "(\w+)"', str(error))
        name = f"{PREFIX}{named[1]}".upper() if named else str(error)
        raise SettingsError(f"{name}: not valid JSON") from None
    _check_together(settings)
    return settings


def _check_together(settings: Settings) -> None:
    if settings.llm.base_url and not settings.llm.model:
        raise SettingsError("CARREL_LLM__BASE_URL is set: set CARREL_LLM__MODEL, too")
    faults = [each.fault() for each in (*settings.embedders, settings.reranker, settings.originals)]
    if fault := next(filter(None, faults), None):
        raise SettingsError(fault)
    if settings.ingestion.chunk_overlap_tokens >= settings.ingestion.chunk_tokens:
        raise SettingsError(
            "CARREL_INGESTION__CHUNK_OVERLAP_TOKENS must be less than "
            "CARREL_INGESTION__CHUNK_TOKENS"
        )
    if settings.qdrant_servers and settings.qdrant_url is None:
        raise SettingsError(
            "CARREL_QDRANT_SERVERS is set: tenants' own servers need a Qdrant server for all the "
            "others, so set CARREL_QDRANT_URL, too"
        )


def setting_names() -> dict[str, str]:
    """Every variable with its description, in the order of definition."""
    names: dict[str, str] = {}
    for name, field in Settings.model_fields.items():
        section = _section(field.annotation)
        if section is not None:
            for inner, inner_field in section.model_fields.items():
                variable = f"{PREFIX}{name}__{inner}".upper()
                names[variable] = inner_field.description or ""
        else:
            names[f"{PREFIX}{name}".upper()] = field.description or ""
    return names


def _section(annotation: object) -> type[Section] | None:
    """The group of settings that *annotation* is, or may be."""
    for each in get_args(annotation) if isinstance(annotation, UnionType) else (annotation,):
        if isinstance(each, type) and issubclass(each, Section):
            return each
    return None


def admin_key_weakness(key: str) -> str | None:
    """Why *key* must not guard a server; None for a strong one."""
    if len(key) < MINIMUM_ADMIN_KEY:
        return f"the admin key has {len(key)} characters and needs at least {MINIMUM_ADMIN_KEY}"
    lowered = key.lower()
    if any(word in lowered for word in ("changeme", "change-me", "password", "example", "secret")):
        return "the admin key looks like a placeholder"
    if len(set(key)) < 10:
        return "the admin key repeats a few characters"
    if lowered in "abcdefghijklmnopqrstuvwxyz0123456789" * 4:
        return "the admin key is a plain sequence"
    return None


def _pem(text: str) -> str:
    """PEM as it is, with its line breaks written as in a `.env` file, or in the file named."""
    if text.lstrip().startswith("-----BEGIN"):
        return text.replace("\\n", "\n")
    try:
        return Path(text).expanduser().read_text()
    except (OSError, ValueError):
        raise ValueError("PUBLIC_KEY is neither PEM nor a file that can be read") from None


def _is_private(url: str) -> bool:
    """Whether nobody between here and *url* can change what it answers."""
    try:
        parts = urlsplit(url)
        local = parts.hostname in {"localhost", "127.0.0.1", "::1"}
    except ValueError:
        return False
    return bool(parts.hostname) and (parts.scheme == "https" or (parts.scheme == "http" and local))


def _unknown(variables: Mapping[str, str | None]) -> set[str]:
    given = {name for name in variables if name.startswith(PREFIX)}
    return given - set(setting_names()) - OTHER_VARIABLES


def _explain(error: ValidationError) -> str:
    lines: list[str] = []
    for fault in error.errors(include_input=False, include_url=False):
        name = PREFIX + "__".join(str(part) for part in fault["loc"]).upper()
        lines.append(f"{name}: {fault['msg'].removeprefix('Value error, ')}")
    return "\n".join(lines)
