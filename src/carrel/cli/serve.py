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
    from carrel.models import spaces
    from carrel.resources import engine_folder
    from carrel.serving.claim import claim_folder, listen
    from carrel.serving.supervisor import ChildSpec, supervise
    from carrel.settings import SettingsError, load_settings
    from carrel.telemetry.log import configure_logging

    settings = load_settings()
    if workers > 1:
        raise SettingsError("this version runs one API process: leave out --workers")
    configure_logging(settings.log.level, settings.log.format)
    embedded = spaces(settings)
    with claim_folder(settings.data_dir), listen(host, port) as listening:
        address = f"http://{host}:{listening.getsockname()[1]}"
        sys.stdout.write(f"Carrel serves {address} from {settings.data_dir}\n")
        sys.stdout.flush()
        descriptor = listening.fileno()
        children = [
            *([ChildSpec("worker", "carrel.serving.worker")] if ingest else []),
            ChildSpec("API", "carrel.serving.api", [str(descriptor)], [descriptor]),
        ]
        if settings.qdrant_url is None:
            children[:0] = [
                ChildSpec(
                    f"vector engine{space.suffix}",
                    "carrel.vectors.edge.engine",
                    [
                        *("--folder", str(engine_folder(settings, space))),
                        *("--dimensions", str(space.dimensions)),
                    ],
                )
                for space in embedded
            ]
        # Whoever connects while the last requests end is refused, and asks another server:
        # held open here, the socket would let them wait for nobody.
        return asyncio.run(supervise(children, at_stop=listening.close))
