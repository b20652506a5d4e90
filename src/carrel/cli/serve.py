"""`carrel serve`: the server with all its processes."""

import asyncio
import sys
from typing import Annotated

import typer


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.", min=0, max=65535)] = 8080,
    workers: Annotated[int, typer.Option(help="API processes.", min=1)] = 1,
    ingest: Annotated[
        bool, typer.Option("--worker/--no-worker", help="Ingest documents in this server, too.")
    ] = True,
) -> None:
    """Start the server: API, vector engine and ingestion worker."""
    from carrel.embedding.embedder import EmbedderMisconfigured
    from carrel.serving.claim import AlreadyServed
    from carrel.settings import SettingsError

    try:
        status = _run(host, port, workers, ingest=ingest)
    except (SettingsError, AlreadyServed, EmbedderMisconfigured) as error:
        typer.echo(f"carrel: {error}", err=True)
        status = 1
    raise typer.Exit(status)


def _run(host: str, port: int, workers: int, *, ingest: bool) -> int:
    from carrel.serving.claim import claim_folder, listen
    from carrel.serving.stages import metrics_folder, stages
    from carrel.serving.supervisor import Supervisor
    from carrel.settings import SettingsError, load_settings
    from carrel.telemetry.log import configure_logging

    settings = load_settings()
    if workers > 1 and settings.redis_url is None:
        raise SettingsError(
            f"--workers {workers} needs Redis, for limits, budgets and answers that the processes "
            "share: set CARREL_REDIS_URL=redis://host:6379/0, or leave out --workers"
        )
    configure_logging(settings.log.level, settings.log.format)
    with claim_folder(settings.data_dir), listen(host, port) as listening:
        address = f"http://{host}:{listening.getsockname()[1]}"
        sys.stdout.write(f"Carrel serves {address} from {settings.data_dir}\n")
        sys.stdout.flush()
        specs = stages(settings, listening.fileno(), workers=workers, ingest=ingest)
        # Whoever connects while the last requests end is refused, and asks another server:
        # held open here, the socket would let them wait for nobody.
        supervisor = Supervisor(specs, metrics_folder(settings), at_stop=listening.close)
        return asyncio.run(supervisor.run())
