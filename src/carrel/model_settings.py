"""The settings of the models that find passages: the embedder and the reranker."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr


class Section(BaseModel):
    """A group of settings."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class EmbedderSettings(Section):
    """What turns text into dense vectors."""

    kind: Literal["static", "onnx", "http"] = Field(
        default="static",
        description="static: WordLlama, in the package; onnx: a model in this process; "
        "http: an OpenAI-compatible service",
    )
    model: str | None = Field(
        default=None, description="http: as the service names it; onnx: a hub's name"
    )
    path: Path | None = Field(default=None, description="onnx: a folder with the model's files")
    base_url: str | None = Field(default=None, description="http: up to and with /v1")
    api_key: SecretStr | None = Field(default=None, description="http: sent as a bearer token")
    dimensions: int | None = Field(
        default=None, ge=1, le=65_536, description="of its vectors; needed for http"
    )
    query_prefix: str = Field(default="", description='before questions: "query: " for E5')
    document_prefix: str = Field(default="", description='before documents: "passage: " for E5')
    max_tokens: int = Field(default=256, ge=16, description="onnx: read of a text")
    threads: int = Field(default=2, gt=0, description="onnx: texts at a time, for each process")
    connect_timeout_seconds: float = Field(default=2, gt=0, description="http: to connect")
    query_timeout_seconds: float = Field(
        default=5, gt=0, description="http: for a question, retries included"
    )
    document_timeout_seconds: float = Field(
        default=60, gt=0, description="http: for a batch of chunks, retries included"
    )
    max_connections: int = Field(default=64, gt=0, description="http: for each process")
    batch_texts: int = Field(default=32, gt=0, description="http: chunks of one request")
    batch_tokens: int = Field(default=8000, gt=0, description="http: tokens of one request")
    concurrency: int = Field(default=4, gt=0, description="http: batches at a time")
    cached_queries: int = Field(
        default=1024, ge=0, description="question vectors kept by each process; 0: none"
    )

    def fault(self) -> str | None:
        """What these settings lack, or have too much of."""
        if self.kind == "http" and not (self.base_url and self.model and self.dimensions):
            return (
                "CARREL_EMBEDDER__KIND=http needs CARREL_EMBEDDER__BASE_URL, "
                "CARREL_EMBEDDER__MODEL and CARREL_EMBEDDER__DIMENSIONS"
            )
        if self.kind == "onnx" and not (self.path or self.model):
            return (
                "CARREL_EMBEDDER__KIND=onnx needs CARREL_EMBEDDER__MODEL, a hub's name, or "
                "CARREL_EMBEDDER__PATH, a folder"
            )
        given = {"base_url", "model", "path", "dimensions", "query_prefix", "document_prefix"}
        if self.kind == "static" and (unused := sorted(given & self.model_fields_set)):
            named = ", ".join(f"CARREL_EMBEDDER__{name}".upper() for name in unused)
            return f"{named}: set for no embedder; set CARREL_EMBEDDER__KIND, too"
        return None


class RerankerSettings(Section):
    """What reorders the best passages."""

    kind: Literal["none", "onnx", "http"] = Field(
        default="none", description="onnx: a cross-encoder in this process; http: a service"
    )
    model: str | None = Field(
        default=None, description="http: as the service names it; onnx: a hub's name"
    )
    path: Path | None = Field(default=None, description="onnx: a folder with the model's files")
    base_url: str | None = Field(default=None, description="http: what comes before /rerank")
    api_key: SecretStr | None = Field(default=None, description="http: sent as a bearer token")
    candidates: int = Field(default=30, ge=2, le=200, description="passages it reads")
    timeout_seconds: float = Field(
        default=1, gt=0, description="after which passages are shown in the fused order"
    )
    threads: int = Field(default=2, gt=0, description="onnx: passages at a time")

    def fault(self) -> str | None:
        """What these settings lack, or have too much of."""
        if self.kind == "http" and not self.base_url:
            return "CARREL_RERANKER__KIND=http needs CARREL_RERANKER__BASE_URL"
        if self.kind == "onnx" and not (self.path or self.model):
            return (
                "CARREL_RERANKER__KIND=onnx needs CARREL_RERANKER__MODEL, a hub's name, or "
                "CARREL_RERANKER__PATH, a folder"
            )
        given = {"base_url", "model", "path"}
        if self.kind == "none" and (unused := sorted(given & self.model_fields_set)):
            named = ", ".join(f"CARREL_RERANKER__{name}".upper() for name in unused)
            return f"{named}: set for no reranker; set CARREL_RERANKER__KIND, too"
        return None
