"""Where vectors are: in the embedded engine, or on Qdrant servers."""

import asyncio
import contextlib
import logging
from functools import partial
from typing import TYPE_CHECKING

from carrel.database.engine import Database
from carrel.domain.errors import Unavailable
from carrel.embedding.embedder import EmbedderMisconfigured
from carrel.placement.embedders import adopt, mismatch, tenants_by_embedder
from carrel.placement.homes import Homes, Index
from carrel.resources.stores import open_database
from carrel.settings import Settings
from carrel.spaces import Space, engine_folder, spaces
from carrel.vectors.edge.store import EdgeVectorStore
from carrel.vectors.store import VectorStore

if TYPE_CHECKING:  # what takes long to import, only its users should pay for
    from carrel.vectors.server.inspection import Remark
    from carrel.vectors.server.store import QdrantServerStore


log = logging.getLogger(__name__)


async def open_vectors(
    settings: Settings, space: Space, stack: contextlib.AsyncExitStack
) -> VectorStore:
    """The vector store of *space*: a Qdrant server where one is set, else the engine's process."""
    vectors: VectorStore
    if settings.qdrant_url is None:
        vectors = EdgeVectorStore(engine_folder(settings, space))
    else:
        vectors = await asyncio.to_thread(_qdrant_server, settings, space, settings.qdrant_url)
    stack.push_async_callback(vectors.close)
    return vectors


async def open_homes(
    settings: Settings, database: Database, stack: contextlib.AsyncExitStack
) -> tuple[Homes, VectorStore]:
    """Where tenants' points are, and the vector store that those of the present embedder share."""
    indexes: dict[str, Index] = {}
    for space in await asyncio.to_thread(spaces, settings):
        shared = await open_vectors(settings, space, stack)
        indexes[space.identity] = Index(shared, partial(open_dedicated, settings, space))
    homes = Homes(database, indexes)
    stack.push_async_callback(homes.close)
    return homes, next(iter(indexes.values())).shared


async def check_embedder(settings: Settings) -> None:
    """See that the settings name every embedder that tenants' vectors are of.

    Raises:
        EmbedderMisconfigured: they don't; or there is no such model.
    """
    known = [space.identity for space in spaces(settings)]
    async with contextlib.AsyncExitStack() as stack:
        database = await open_database(settings, stack)
        await adopt(database, known[0])
        counts = await tenants_by_embedder(database)
    if said := mismatch(counts, known):
        raise EmbedderMisconfigured(said)
    if left := sum(count for identity, count in counts.items() if identity != known[0]):
        log.warning("the vectors of %d tenants are of the embedder before: carrel reindex", left)


async def check_vectors(settings: Settings) -> None:
    """Make the Qdrant server's collection, or check that it fits; nothing for the engine.

    Raises:
        IncompatibleServer: the server is too old, or its collection has other vectors.
    """
    if settings.qdrant_url is None:
        return
    for space in spaces(settings):
        await _prepare(
            await asyncio.to_thread(_qdrant_server, settings, space, settings.qdrant_url)
        )


async def _prepare(server: "QdrantServerStore") -> None:
    try:
        await server.prepare()
        if not server.keyword_search:
            log.warning(
                "Qdrant is older than 1.19: it cannot keep a tenant's word statistics apart, so "
                "searches are by meaning alone. Upgrade it for hybrid search."
            )
    except Unavailable as error:
        log.warning("Qdrant does not answer yet: %s", error)
    finally:
        await server.close()


def open_dedicated(settings: Settings, space: Space, name: str) -> "QdrantServerStore":
    """The vector store of a server in `CARREL_QDRANT_SERVERS`; for the caller to close.

    Raises:
        Unavailable: no server has that name any more.
    """
    chosen = settings.qdrant_servers.get(name)
    if chosen is None:
        log.error("a tenant is on the Qdrant server %s: CARREL_QDRANT_SERVERS lacks it", name)
        raise Unavailable("the server of this tenant is not configured", retry_after_seconds=30)
    same_but_elsewhere = settings.model_copy(
        update={
            "qdrant_api_key": chosen.api_key,
            "qdrant_grpc_port": chosen.grpc_port,
            "qdrant_ca_file": chosen.ca_file,
        }
    )
    return _qdrant_server(same_but_elsewhere, space, chosen.url)


async def inspect_vectors(settings: Settings, name: str | None = None) -> "list[Remark]":
    """What is well, and what is not, with the shared Qdrant server, or the dedicated one *name*.

    Raises:
        Unavailable: it does not answer.
    """
    if name is not None:
        server = await asyncio.to_thread(open_dedicated, settings, spaces(settings)[0], name)
    else:
        assert settings.qdrant_url is not None
        space = spaces(settings)[0]
        server = await asyncio.to_thread(_qdrant_server, settings, space, settings.qdrant_url)
    try:
        return await server.describe()
    finally:
        await server.close()


def _qdrant_server(settings: Settings, space: Space, url: str) -> "QdrantServerStore":
    from carrel.vectors.server.store import QdrantServerStore

    key, authority = settings.qdrant_api_key, settings.qdrant_ca_file
    return QdrantServerStore(
        url,
        dimensions=space.dimensions,
        api_key=key.get_secret_value() if key else None,
        collection=settings.qdrant_collection + space.suffix,
        grpc_port=settings.qdrant_grpc_port,
        certificate_authority=authority.read_bytes() if authority else None,
        read_timeout_seconds=settings.qdrant_read_timeout_seconds,
        write_timeout_seconds=settings.qdrant_write_timeout_seconds,
        shard_number=settings.qdrant_shards,
        replication_factor=settings.qdrant_replication_factor,
        write_consistency_factor=settings.qdrant_write_consistency_factor,
    )
