"""`carrel serve`: the server with all its processes."""

import asyncio
import sys
from typing import Annotated

import typer


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.", min=0, max=65535)] = 8080,
    workers: Annotated[int, typer.Option(help="API processes.", min=1)] = 1,
) -> None:
    """Start the server: API, vector engine and ingestion worker."""
    from carrel.embedding.embedder import EmbedderMisconfigured
    from carrel.serving.claim import AlreadyServed
    from carrel.settings import SettingsError

    try:
        status = _run(host, port, workers)
    except (SettingsError, AlreadyServed, EmbedderMisconfigured) as error:
        typer.echo(f"carrel: {error}", err=True)
        status = 1
    raise typer.Exit(status)


def _run(host: str, port: int, workers: int) -> int:
    from carrel.models import dimensions_of
    from carrel.serving.claim import claim_folder, listen
    from carrel.serving.supervisor import ChildSpec, supervise
    from carrel.settings import SettingsError, load_settings
    from carrel.telemetry.log import configure_logging

    settings = load_settings()
    if workers > 1:
        raise SettingsError("this version runs one API process: leave out --workers")
    configure_logging(settings.log.level, settings.log.format)
    dimensions = dimensions_of(settings.embedder, settings.data_dir)
    with claim_folder(settings.data_dir), listen(host, port) as listening:
        address = f"http://{host}:{listening.getsockname()[1]}"
        sys.stdout.write(f"Carrel serves {address} from {settings.data_dir}\n")
        sys.stdout.flush()
        folder = str(settings.data_dir / "vectors")
        engine = ["--folder", folder, "--dimensions", str(dimensions)]
        descriptor = listening.fileno()
        children = [
            ChildSpec("worker", "carrel.serving.worker"),
            ChildSpec("API", "carrel.serving.api", [str(descriptor)], [descriptor]),
        ]
        if settings.qdrant_url is None:
            children.insert(0, ChildSpec("vector engine", "carrel.vectors.edge.engine", engine))
        return asyncio.run(supervise(children))
