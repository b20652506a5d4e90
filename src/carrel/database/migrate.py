"""Brings the metadata schema to the version that this code needs.

Several processes may start at once: on Postgres an advisory lock, on SQLite the
write lock lets one of them migrate while the others wait and then find it done.
"""

import asyncio
import time
from pathlib import Path

from sqlalchemy import Connection, inspect, text

from carrel.database.engine import Database
from carrel.domain.errors import Unavailable

HEAD = "0002"
PATIENCE_SECONDS = 20.0
PAUSE_SECONDS = 0.1
MIGRATIONS = Path(__file__).parent / "migrations"
_ADVISORY_LOCK = 0x6361_7272_656C  # "carrel"


async def migrate(database: Database) -> None:
    """Apply every migration that is missing.

    Raises:
        Unavailable: the database does not answer, or another process is still at it.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return await _migrate(database)
        except Unavailable:  # a file does not answer while another process migrates it
            if not database.is_sqlite or time.monotonic() > deadline:
                raise
        await asyncio.sleep(PAUSE_SECONDS)


async def _migrate(database: Database) -> None:
    async with database.write() as connection:
        if not database.is_sqlite:
            await connection.execute(
                text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK}
            )
        await connection.run_sync(_upgrade)


def current_revision(connection: Connection) -> str | None:
    """The schema's version; None for a database that Carrel has never opened."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _upgrade(connection: Connection) -> None:
    if current_revision(connection) == HEAD:
        return
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
