"""What is kept in SQL and in files, and the embedders."""

import contextlib
from pathlib import Path

from carrel.database.engine import Database
from carrel.database.migrate import migrate
from carrel.embedding.embedder import Embedder
from carrel.ingestion.originals.folder import FolderOriginals
from carrel.ingestion.originals.store import Originals
from carrel.models import open_embedder
from carrel.settings import Settings


async def open_database(settings: Settings, stack: contextlib.AsyncExitStack) -> Database:
    """The metadata database, migrated."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    database = Database(settings.sql_url)
    stack.push_async_callback(database.close)
    await migrate(database)
    return database


def open_embedders(settings: Settings, stack: contextlib.AsyncExitStack) -> dict[str, Embedder]:
    """The embedder that is set, and the one before it, by their identities.

    Raises:
        EmbedderMisconfigured: there is no such model.
    """
    embedders: dict[str, Embedder] = {}
    for chosen in settings.embedders:
        embedder = open_embedder(chosen, settings.data_dir)
        stack.push_async_callback(embedder.close)
        embedders.setdefault(embedder.identity, embedder)
    return embedders


def open_originals(settings: Settings) -> Originals:
    """Where uploaded files are kept: a folder, or a bucket."""
    chosen, most = settings.originals, settings.ingestion.max_upload_bytes
    place = chosen.place or settings.data_dir / "originals"
    if isinstance(place, Path):
        return FolderOriginals(place, max_bytes=most)
    from carrel.ingestion.originals.bucket import Bucket, BucketOriginals

    key, secret = chosen.access_key_id, chosen.secret_access_key
    bucket = Bucket(
        name=place.name,
        prefix=place.prefix,
        endpoint=chosen.endpoint,
        region=chosen.region,
        access_key_id=key.get_secret_value() if key else None,
        secret_access_key=secret.get_secret_value() if secret else None,
    )
    return BucketOriginals(bucket, settings.data_dir / "spool", max_bytes=most)
