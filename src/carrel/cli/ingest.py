"""`carrel ingest`: files and folders into a tenant, until they can be searched.

Repeating a command uploads again, but changes nothing that has not changed.
"""

import asyncio
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from carrel.cli.failure import Failure
from carrel.cli.options import DEFAULT_URL, ApiKey, AsJson, Url, metadata_option, tenant_key

if TYPE_CHECKING:
    from carrel.cli.uploading import Outcome
    from carrel.cli.walk import Walk

PATIENCE_SECONDS = 300.0  # a busy server's "later" is obeyed for this long, for each request


def ingest(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="PATH…", exists=True, readable=True, help="Files, and folders to search."
        ),
    ],
    *,
    metadata: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="Kept with each document, for filters; repeatable."),
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Stay until all documents can be searched.")
    ] = True,
    watch: Annotated[
        bool,
        typer.Option("--watch", help="Upload what is new or changes, until Ctrl-C."),
    ] = False,
    url: Url = DEFAULT_URL,
    key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Upload files and folders; repeating it uploads only what changed."""
    from carrel.cli.walk import walk

    extra, secret = metadata_option(metadata or []), tenant_key(key)
    if watch:
        from carrel.cli.watching import watch as watch_paths

        asyncio.run(watch_paths(paths, extra, url, secret))
        return
    found = walk(paths)
    if not found.uploads:
        skipped = found.skipped()
        raise Failure(
            "Nothing to ingest there" + (f": skipped {skipped}." if skipped else "."),
        )
    outcomes = asyncio.run(_ingest(found, extra, url, secret, wait=wait, as_json=as_json))
    if any(outcome.status == "failed" for outcome in outcomes):
        raise typer.Exit(1)


async def _ingest(
    found: "Walk", metadata: dict[str, Any], url: str, key: str, *, wait: bool, as_json: bool
) -> "list[Outcome]":
    from carrel.cli.client import Client
    from carrel.cli.progress import UploadProgress
    from carrel.cli.render import console, show_json
    from carrel.cli.summary import show_summary
    from carrel.cli.uploading import upload_all

    screen = console()
    started = time.perf_counter()
    async with Client(url, key, patience_seconds=PATIENCE_SECONDS) as client:
        with UploadProgress(console(stderr=True), len(found.uploads), wait=wait) as progress:
            try:
                outcomes = await upload_all(
                    client,
                    found.uploads,
                    metadata=metadata,
                    wait=wait,
                    on_uploaded=progress.uploaded,
                    on_outcome=progress.settled,
                )
            except asyncio.CancelledError:
                progress.stopped()
                raise
    if as_json:
        show_json(
            [
                {
                    "id": each.upload.document_id,
                    "path": each.upload.name,
                    "status": each.status,
                    "chunks": each.chunks,
                    "reason": each.reason or None,
                }
                for each in outcomes
            ]
        )
    else:
        show_summary(outcomes, found.skipped(), time.perf_counter() - started, screen)
    return outcomes
