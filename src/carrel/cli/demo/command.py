"""`carrel demo`: a server, two companies, the same questions, and two sets of answers.

It exits with 0 only if every step held; whatever happens, its server is gone
when it ends.
"""

import asyncio
import shutil
import signal
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from carrel.cli.demo.questions import QUESTIONS

if TYPE_CHECKING:
    from carrel.cli.demo.screen import Screen
    from carrel.cli.demo.server import DemoServer
    from carrel.cli.demo.steps import Ingested, Pair
    from carrel.cli.exchange import Exchange

SIGTERM_STATUS = 128 + signal.SIGTERM


def demo(
    stop: Annotated[
        bool, typer.Option("--exit", help="Stop the server at the end, rather than leave it up.")
    ] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Where the server listens.")] = 8080,
    data_dir: Annotated[
        Path | None,
        typer.Option(
            file_okay=False, help="Where its data goes. Default: a folder that is deleted."
        ),
    ] = None,
) -> None:
    """Show what Carrel does: two tenants, their documents, and cited answers to each."""
    from carrel.cli.demo.server import DemoServer, available_port

    folder = data_dir.absolute() if data_dir else Path(tempfile.mkdtemp(prefix="carrel-demo-"))
    folder.mkdir(parents=True, exist_ok=True)
    free = available_port(port)
    if port and free != port:
        typer.echo(f"Port {port} is not free: the demo's server listens on {free}.")
    server = DemoServer(free, folder)
    try:
        asyncio.run(_run(server, stop=stop))
    except asyncio.CancelledError:  # SIGTERM; Ctrl-C arrives as KeyboardInterrupt
        raise typer.Exit(SIGTERM_STATUS) from None
    finally:
        # The orderly stop is over by now; this is for when a second Ctrl-C cut it short.
        server.kill()
        if data_dir is None:
            shutil.rmtree(folder, ignore_errors=True)


async def _run(server: "DemoServer", *, stop: bool) -> None:
    from carrel.cli.demo.screen import Screen
    from carrel.cli.failure import Failure
    from carrel.cli.render import console

    _cancel_on(signal.SIGTERM, signal.SIGHUP)
    screen = Screen(console())
    try:
        await _show(server, screen, stop=stop)
    except Failure:
        if tail := server.log_tail():
            screen.say(f"\nThe server's last lines:\n{tail}\n")
        raise
    finally:
        await server.stop()
    screen.say("The server is stopped.")


async def _show(server: "DemoServer", screen: "Screen", *, stop: bool) -> None:
    from carrel.cli.demo.memory import tree_bytes
    from carrel.cli.demo.report import Measured, next_steps
    from carrel.cli.demo.steps import two_tenants
    from carrel.cli.render import fields, milliseconds

    with screen.step("Start the server") as note:
        await server.start()
        note.text = f"{milliseconds(server.started_ms)} · {server.url}"
    async with AsyncExitStack() as stack:
        with screen.step("Create tenants acme and globex, each with a key"):
            pair = await stack.enter_async_context(two_tenants(server.url, server.admin_key))
        ingested = await _ingest(pair, screen)
        exchanges = await _ask(pair, screen)
        await _check_isolation(pair, server.url, screen)
        measured = Measured(server.started_ms, ingested, exchanges, tree_bytes(server.pid))
        screen.say()
        fields(measured.fields(), screen.console)
        screen.say()
        if not stop:
            screen.say(next_steps(server.url, server.admin_key, pair, QUESTIONS[0].question))
    if not stop:
        await _stay_up(server, screen)


async def _ingest(pair: "Pair", screen: "Screen") -> "Ingested":
    from carrel.cli.demo.steps import ingest
    from carrel.cli.progress import UploadProgress

    files = sum(len(tenant.uploads) for tenant in pair.values())
    with screen.step("Ingest their documents", spinner=False) as note:
        with UploadProgress(screen.console, files) as progress:
            ingested = await ingest(
                pair, on_uploaded=progress.uploaded, on_outcome=progress.settled
            )
        note.text = (
            f"{ingested.documents} documents, {ingested.chunks} chunks, {ingested.seconds:.1f} s"
        )
    return ingested


async def _ask(pair: "Pair", screen: "Screen") -> "list[Exchange]":
    from carrel.cli.demo.screen import Board
    from carrel.cli.demo.steps import ask_both
    from carrel.cli.demo.verdict import fault
    from carrel.cli.failure import Failure

    acme, globex = pair.values()
    exchanges: list[Exchange] = []
    faults: list[str] = []
    with screen.step("Ask both the same questions", spinner=False) as note:
        for number, asked in enumerate(QUESTIONS, start=1):
            async with Board(
                screen.console, f"{number}/{len(QUESTIONS)}", asked.question, list(pair)
            ) as board:
                found = await ask_both(pair, asked.question, board.add)
                for tenant, other, own, others in (
                    (acme, globex, asked.acme_contains, asked.globex_contains),
                    (globex, acme, asked.globex_contains, asked.acme_contains),
                ):
                    exchange = found[tenant.name]
                    wrong = fault(
                        exchange.answer, own=own, other=others, foreign=other.document_ids
                    )
                    board.finish(tenant.name, exchange, wrong)
                    exchanges.append(exchange)
                    faults += [f"question {number}, {tenant.name}: {wrong}"] if wrong else []
        screen.say()
        if faults:
            raise Failure("; ".join(faults))
        note.text = f"{len(exchanges)} answers, each from its own tenant's documents"
    return exchanges


async def _check_isolation(pair: "Pair", url: str, screen: "Screen") -> None:
    from carrel.cli.demo.steps import check_no_key, check_strangers_document

    with screen.step("Ask for the other tenant's document") as note:
        note.text = await check_strangers_document(pair)
    with screen.step("Ask without a key") as note:
        note.text = await check_no_key(pair, url)


async def _stay_up(server: "DemoServer", screen: "Screen") -> None:
    """Wait for Ctrl-C or SIGTERM, which both end a demo that held with status 0."""
    from carrel.cli.failure import Failure

    screen.say(f"\nThe server is up at {server.url}. Ctrl-C stops it.")
    try:
        status = await server.ended()
    except asyncio.CancelledError:
        task = asyncio.current_task()
        assert task is not None
        task.uncancel()
        screen.say()
        return
    raise Failure(f"The server ended by itself, with status {status}.")


def _cancel_on(*signals: signal.Signals) -> None:
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    for each in signals:
        loop.add_signal_handler(each, task.cancel)
