"""`carrel worker`: ingestion on a host of its own, away from the API."""

import asyncio
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from carrel.settings import Settings


def worker() -> None:
    """Ingest documents that servers on other hosts accept; see also `carrel serve --no-worker`."""
    from carrel.embedding.embedder import EmbedderMisconfigured
    from carrel.serving.claim import AlreadyServed
    from carrel.settings import SettingsError

    try:
        status = _run()
    except (SettingsError, AlreadyServed, EmbedderMisconfigured) as error:
        typer.echo(f"carrel: {error}", err=True)
        status = 1
    raise typer.Exit(status)


def _run() -> int:
    from carrel.serving.child import ChildSpec
    from carrel.serving.claim import claim_folder
    from carrel.serving.supervisor import Supervisor
    from carrel.settings import SettingsError, load_settings
    from carrel.telemetry.log import configure_logging

    settings = load_settings()
    if lacking := ", ".join(_not_shared(settings)):
        raise SettingsError(
            f"a worker on a host of its own shares everything with its servers: set {lacking}"
        )
    configure_logging(settings.log.level, settings.log.format)
    with claim_folder(settings.data_dir):
        supervisor = Supervisor([[ChildSpec("worker", "carrel.serving.worker")]])
        return asyncio.run(supervisor.run())


def _not_shared(settings: "Settings") -> list[str]:
    """The settings without which something is on one machine's disk."""
    needed = {
        "CARREL_DATABASE_URL": settings.database_url,
        "CARREL_QDRANT_URL": settings.qdrant_url,
        "CARREL_ORIGINALS__URL": settings.originals.url,
    }
    return [name for name, value in needed.items() if value is None]
