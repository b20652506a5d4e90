"""The `carrel` command: its subcommands, and how a failure ends the process.

A `Failure` ends with one line on stderr and its own exit status; only a bug
shows a traceback.
"""

import sys
from typing import Annotated

import typer

import carrel
from carrel.cli.ask import ask
from carrel.cli.audit import audit
from carrel.cli.demo.command import demo
from carrel.cli.doctor import doctor
from carrel.cli.failure import Failure
from carrel.cli.ingest import ingest
from carrel.cli.isolation.command import verify_isolation
from carrel.cli.keys import keys
from carrel.cli.reindex import reindex
from carrel.cli.serve import serve
from carrel.cli.tenants import tenants
from carrel.cli.usage import usage
from carrel.cli.worker import worker

app = typer.Typer(
    name="carrel",
    help="A self-hosted RAG server for many tenants: isolated, cited, streamed, metered.",
    no_args_is_help=True,
    rich_markup_mode=None,
    # Carrel's own errors are one line; a bug's traceback must not show local variables (keys).
    pretty_exceptions_enable=False,
)

# Every command is registered here, in the order in which `carrel --help` lists them.
app.command()(serve)
app.command()(worker)
app.command()(demo)
app.command()(ingest)
app.command()(ask)
app.command()(doctor)
app.command()(audit)
app.command()(usage)
app.command("verify-isolation")(verify_isolation)
app.command()(reindex)
app.add_typer(tenants, name="tenants")
app.add_typer(keys, name="keys")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"carrel {carrel.__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """A self-hosted RAG server for many tenants: isolated, cited, streamed, metered."""
    del version


def run(args: list[str] | None = None) -> None:
    """Run the command that *args* (default: the process's own) name.

    Raises:
        SystemExit: always; 0 done, 1 failed, 2 wrong usage, 130 stopped by Ctrl-C.
    """
    try:
        app(args=args, prog_name="carrel")
    except Failure as failure:
        typer.echo(f"carrel: {failure}", err=True)
        sys.exit(failure.exit_status)
