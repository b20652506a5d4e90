"""The settings of documents: how they are accepted, kept, fetched, parsed and cut."""

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pydantic import Field, SecretStr, field_validator

from carrel.ingestion.chunking import chunking
from carrel.model_settings import Section


class IngestionSettings(Section):
    """How documents are accepted, parsed and cut."""

    max_upload_bytes: int = Field(default=50_000_000, gt=0, description="a larger file is refused")
    processes: int = Field(default=1, gt=0, le=64, description="workers of `carrel serve`")
    concurrency: int = Field(default=2, gt=0, description="documents a worker works on at once")
    parse_timeout_seconds: float = Field(default=120, gt=0, description="for one document")
    parse_memory_mebibytes: int = Field(default=1024, ge=256, description="cap of a parser process")
    chunk_tokens: int = Field(default=200, ge=32, le=2000, description="the longest chunk")
    chunk_overlap_tokens: int = Field(default=40, ge=0, description="shared by neighbouring chunks")
    concurrent_per_tenant: int = Field(
        default=4, gt=0, description="documents of one tenant worked on at once, by all workers"
    )
    queued_per_tenant: int = Field(
        default=10_000, gt=0, description="documents of one tenant that may wait; more get 429"
    )
    max_attempts: int = Field(
        default=5, gt=0, description="tries of a job before its document fails"
    )
    fetch_urls: bool = Field(default=True, description="documents may come as URLs")
    fetch_timeout_seconds: float = Field(default=60, gt=0, description="for one document")
    fetch_networks: str = Field(
        default="", description="private networks that may be fetched from, comma-separated"
    )
    lease_seconds: float = Field(
        default=30, gt=1, description="a crashed worker's job is free after this"
    )

    metrics_port: int | None = Field(
        default=None, ge=1, le=65535, description="where the worker serves metrics of its own"
    )

    @property
    def chunking(self) -> str:
        """What all chunks have in common that are cut by these settings."""
        return chunking(self.chunk_tokens, self.chunk_overlap_tokens)

    @property
    def networks(self) -> list[IPv4Network | IPv6Network]:
        """The private networks that may be fetched from."""
        return [ip_network(word) for word in self.fetch_networks.replace(",", " ").split()]

    @field_validator("fetch_networks")
    @classmethod
    def _are_networks(cls, text: str) -> str:
        for word in text.replace(",", " ").split():
            ip_network(word)  # its error says what is wrong
        return text


@dataclass(frozen=True, slots=True)
class BucketPlace:
    """A bucket, and what all its keys begin with."""

    name: str
    prefix: str


class OriginalsSettings(Section):
    """Where uploaded files are kept."""

    url: str | None = Field(
        default=None,
        description="file:///folder, or s3://bucket/prefix; default: originals in data_dir",
    )
    endpoint: str | None = Field(
        default=None, description="of an S3-compatible storage; default: that of AWS"
    )
    region: str | None = Field(default=None, description="of the bucket")
    access_key_id: SecretStr | None = Field(
        default=None, description="default: from AWS's own variables, or the machine's role"
    )
    secret_access_key: SecretStr | None = Field(default=None, description="of the access key")

    @field_validator("url")
    @classmethod
    def _known(cls, url: str | None) -> str | None:
        if url is None:
            return None
        parts = urlsplit(url)
        if parts.query or parts.fragment or parts.username is not None:
            raise ValueError("no keys and no options belong into it: they have variables of theirs")
        if parts.scheme == "file" and not parts.netloc and parts.path.startswith("/"):
            return url
        if parts.scheme == "s3" and parts.netloc:
            return url
        raise ValueError("it is file:///folder or s3://bucket/prefix")

    @field_validator("endpoint")
    @classmethod
    def _with_scheme(cls, url: str | None) -> str | None:
        if url is not None and not url.startswith(("http://", "https://")):
            raise ValueError("a URL begins with http:// or https://")
        return url

    @property
    def place(self) -> Path | BucketPlace | None:
        """The folder, or the bucket; None: the default."""
        if self.url is None:
            return None
        parts = urlsplit(self.url)
        if parts.scheme == "file":
            return Path(unquote(parts.path))
        return BucketPlace(parts.netloc, parts.path.strip("/"))

    def fault(self) -> str | None:
        """What these settings lack, or have too much of."""
        of_buckets = (self.endpoint, self.region, self.access_key_id, self.secret_access_key)
        if not isinstance(self.place, BucketPlace) and any(of_buckets):
            return (
                "CARREL_ORIGINALS__ENDPOINT, REGION and keys are for a bucket: "
                "set CARREL_ORIGINALS__URL=s3://bucket, too"
            )
        if (self.access_key_id is None) != (self.secret_access_key is None):
            return (
                "CARREL_ORIGINALS__ACCESS_KEY_ID and CARREL_ORIGINALS__SECRET_ACCESS_KEY "
                "belong together"
            )
        return None
