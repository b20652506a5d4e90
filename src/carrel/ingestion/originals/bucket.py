"""Originals in a bucket of S3 or of what speaks its protocol, shared by all servers.

An object appears whole or not at all. A file is received on this machine's disk
first: what is too large, empty or cut short is never sent. Reading fetches the
object to that disk for as long as a parser needs it.
"""

import asyncio
import contextlib
import logging
import re
import tempfile
import time
from collections.abc import AsyncGenerator, AsyncIterable, Generator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, cast

from carrel.domain.errors import StorageFull, Unavailable
from carrel.domain.ids import TenantId, new_id
from carrel.ingestion.originals.receive import receive
from carrel.ingestion.originals.store import Original, OriginalMissing

if TYPE_CHECKING:
    from obstore.store import ClientConfig, S3Config, S3Store

log = logging.getLogger(__name__)

_RETRIES = 3
_RETRY_SECONDS = 20
_CONNECT_SECONDS = 5
_TIMEOUT_SECONDS = 60  # for one request; a large file is sent in parts
_PIECE = 1 << 20
_DELETED_AT_ONCE = 1000  # objects, as one request of S3 takes them
# Within what a library says of a failed request, which names its address, too.
_FULL = re.compile(r"status code: 507\b|<Code>\w*StorageFull</Code>")


@dataclass(frozen=True, slots=True)
class Bucket:
    """Where the bucket is. What is None comes from the environment, as for other programs.

    `prefix` is what all keys begin with; empty for none.
    """

    name: str
    prefix: str = ""
    endpoint: str | None = None
    region: str | None = None
    access_key_id: str | None = None
    secret_access_key: str | None = None


class BucketOriginals:
    """Objects `prefix/tenant/name` of *bucket*; *spool* is a folder on a local disk."""

    def __init__(self, bucket: Bucket, spool: Path, *, max_bytes: int) -> None:
        self._bucket = bucket
        self._spool = spool
        self._max_bytes = max_bytes
        self._opened: S3Store | None = None

    async def store(self, tenant_id: TenantId, pieces: AsyncIterable[bytes]) -> Original:
        import obstore

        name = new_id("org")
        async with self._spooled() as path:
            original = await receive(path, pieces, name, max_bytes=self._max_bytes, sync=False)
            with _translated():
                await obstore.put_async(self._store, _key(tenant_id, name), path)
        return original

    @contextlib.asynccontextmanager
    async def local(self, tenant_id: TenantId, name: str) -> AsyncGenerator[Path]:
        import obstore

        async with self._spooled() as path:
            try:
                with _translated():
                    found = await obstore.get_async(self._store, _key(tenant_id, name))
                    file = await asyncio.to_thread(path.open, "wb")
                    try:
                        async for piece in found.stream(min_chunk_size=_PIECE):
                            await asyncio.to_thread(file.write, piece)
                    finally:
                        await asyncio.to_thread(file.close)
            except FileNotFoundError as error:
                raise OriginalMissing from error
            yield path

    async def remove(self, tenant_id: TenantId, name: str) -> None:
        await self._delete([_key(tenant_id, name)])

    async def remove_all(self, tenant_id: TenantId) -> None:
        names = sorted(await self.names(tenant_id))
        for start in range(0, len(names), _DELETED_AT_ONCE):
            some = names[start : start + _DELETED_AT_ONCE]
            await self._delete([_key(tenant_id, name) for name in some])

    async def tenants(self) -> list[TenantId]:
        import obstore

        with _translated():
            # Half of this function's overloads are for a library that is not installed.
            listed = await obstore.list_with_delimiter_async(self._store)  # pyright: ignore[reportUnknownMemberType]
        return [TenantId(prefix) for prefix in listed["common_prefixes"]]

    async def names(self, tenant_id: TenantId, *, older_than_seconds: float = 0) -> set[str]:
        import obstore

        latest = datetime.now(UTC) - timedelta(seconds=older_than_seconds)
        found: set[str] = set()
        with _translated():
            # As above, of the overloads.
            listing = obstore.list(self._store, prefix=tenant_id)  # pyright: ignore[reportUnknownMemberType]
            async for some in listing:
                # The storage's clock is not ours, and dates objects by the second.
                found.update(
                    each["path"].rpartition("/")[2]
                    for each in some
                    if older_than_seconds <= 0 or each["last_modified"] <= latest
                )
        return found

    async def remove_leftovers(self, *, older_than_seconds: float) -> None:
        latest = time.time() - older_than_seconds

        def remove() -> None:
            for path in self._spool.glob("*"):
                with contextlib.suppress(FileNotFoundError):
                    if path.stat().st_mtime <= latest:
                        path.unlink()

        await asyncio.to_thread(remove)

    async def _delete(self, keys: list[str]) -> None:
        import obstore

        with _translated(), contextlib.suppress(FileNotFoundError):
            await obstore.delete_async(self._store, keys)

    @contextlib.asynccontextmanager
    async def _spooled(self) -> AsyncGenerator[Path]:
        """The path of an empty file, removed after the block."""

        def make() -> Path:
            self._spool.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=self._spool, delete=False) as file:
                return Path(file.name)

        path = await asyncio.to_thread(make)
        try:
            yield path
        finally:
            await asyncio.to_thread(path.unlink, missing_ok=True)

    @property
    def _store(self) -> "S3Store":
        if self._opened is None:
            self._opened = _open(self._bucket)
        return self._opened


def _open(bucket: Bucket) -> "S3Store":
    from obstore.store import S3Store

    given = {
        "endpoint": bucket.endpoint,
        "region": bucket.region,
        "access_key_id": bucket.access_key_id,
        "secret_access_key": bucket.secret_access_key,
    }
    config = cast("S3Config", {name: value for name, value in given.items() if value is not None})
    client: ClientConfig = {
        "allow_http": bool(bucket.endpoint and bucket.endpoint.startswith("http://")),
        "connect_timeout": timedelta(seconds=_CONNECT_SECONDS),
        "timeout": timedelta(seconds=_TIMEOUT_SECONDS),
    }
    return S3Store(
        bucket.name,
        prefix=bucket.prefix or None,
        config=config,
        client_options=client,
        retry_config={
            "max_retries": _RETRIES,
            "retry_timeout": timedelta(seconds=_RETRY_SECONDS),
        },
    )


def _key(tenant_id: TenantId, name: str) -> str:
    return f"{tenant_id}/{name}"


@contextlib.contextmanager
def _translated() -> Generator[None]:
    """The library's errors as ours; `FileNotFoundError`, of an object, stays what it is."""
    from obstore.exceptions import BaseError

    try:
        yield
    except (BaseError, FileNotFoundError) as error:
        if isinstance(error, FileNotFoundError) and "NoSuchBucket" not in str(error):
            raise
        # The first line: what follows repeats the request, headers and all.
        said = str(error).partition("\n")[0]
        log.warning("the object storage failed: %s", said)
        if _FULL.search(said):
            raise StorageFull("the storage for uploads is full; nothing was stored") from None
        raise Unavailable("the storage of uploads does not answer; try again shortly") from None
