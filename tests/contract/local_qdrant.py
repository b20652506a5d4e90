"""The Qdrant client's local mode, noting what it is asked.

It has no indexes, no replicas and no limits, and computes by brute force: it exercises the
adapter's requests, and proves nothing about what a server makes of them.
"""

import inspect
import re
import warnings
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from grpc import StatusCode
from grpc.aio import AioRpcError, Metadata
from qdrant_client import AsyncQdrantClient, models

_ON_POINTS = ("upsert", "set_payload", "delete", "query_batch_points", "scroll", "count")
_ON_COLLECTIONS = ("create_collection", "create_payload_index", "delete_collection")


@dataclass(frozen=True)
class Request:
    """One call of the client, all arguments by name."""

    method: str
    arguments: dict[str, Any]


class LocalQdrant(AsyncQdrantClient):
    """An empty server of *version*, in this process."""

    def __init__(self, version: str = "1.20.0") -> None:
        super().__init__(":memory:")
        self._version = version
        self.requests: list[Request] = []
        for name in (*_ON_POINTS, *_ON_COLLECTIONS):
            setattr(self, name, self._noted(name, getattr(self, name)))

    async def info(self) -> models.VersionInfo:
        # The client's own reads its version from the disk.
        return models.VersionInfo(title="qdrant", version=self._version)

    async def get_collection(self, *args: Any, **kwargs: Any) -> models.CollectionInfo:
        with missing_as_a_server_says_it():
            return await super().get_collection(*args, **kwargs)

    def on_points(self) -> list[Request]:
        """The requests that read or wrote points, in their order."""
        return [request for request in self.requests if request.method in _ON_POINTS]

    def asked(self, method: str) -> list[dict[str, Any]]:
        return [request.arguments for request in self.requests if request.method == method]

    def _noted(
        self, name: str, method: Callable[..., Awaitable[Any]]
    ) -> Callable[..., Awaitable[Any]]:
        signature = inspect.signature(method)

        async def call(*args: Any, **kwargs: Any) -> Any:
            given = dict(signature.bind(*args, **kwargs).arguments)
            given |= given.pop("kwargs", {})
            self.requests.append(Request(name, given))
            with warnings.catch_warnings(), missing_as_a_server_says_it():
                warnings.filterwarnings("ignore", message="Payload indexes have no effect in the")
                warnings.filterwarnings("ignore", message="Local mode performs exact")
                return await method(*args, **kwargs)

        return call


@contextmanager
def missing_as_a_server_says_it() -> Iterator[None]:
    """A missing collection, which local mode calls a wrong value, as the status of a server."""
    try:
        yield
    except ValueError as error:
        if not re.fullmatch(r"Collection .* not found", str(error)):
            raise
        words = f"Not found: {error}"
        raise AioRpcError(StatusCode.NOT_FOUND, Metadata(), Metadata(), words) from None
