"""`carrel ask`: one question, answered on the terminal as the answer is written."""

import asyncio
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from carrel.cli.options import DEFAULT_URL, ApiKey, AsJson, Url, filter_option, tenant_key

if TYPE_CHECKING:
    from carrel.cli.wire import QueryOptions


def ask(
    question: Annotated[
        str, typer.Argument(metavar="QUESTION", help="The question, or - to read it from stdin.")
    ],
    *,
    where: Annotated[
        str | None,
        typer.Option("--filter", metavar="JSON", help="Over metadata, e.g. '{\"year\": 2024}'."),
    ] = None,
    top_k: Annotated[
        int | None, typer.Option("--top-k", min=1, help="How many passages to answer from.")
    ] = None,
    stream: Annotated[
        bool, typer.Option("--stream/--no-stream", help="Show the answer as it is written.")
    ] = True,
    url: Url = DEFAULT_URL,
    key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Ask your documents a question; the answer cites its sources."""
    if question == "-":
        question = sys.stdin.read()
    if not question.strip():
        raise typer.BadParameter("there is no question", param_hint="QUESTION")
    options: QueryOptions = {}
    if top_k is not None:
        options["top_k"] = top_k
    if (fields := filter_option(where)) is not None:
        options["filter"] = fields
    asyncio.run(
        _ask(question.strip(), options, url, tenant_key(key), stream=stream, as_json=as_json)
    )


def _say_cut() -> None:
    # Not among the answer's text, which goes on where it was.
    typer.echo("The connection was lost; reading the answer on.", err=True)


async def _ask(
    question: str, options: "QueryOptions", url: str, key: str, *, stream: bool, as_json: bool
) -> None:
    from carrel.cli.client import Client
    from carrel.cli.exchange import fetch, follow
    from carrel.cli.render import AnswerWriter, console, show_exchange, show_json

    screen = console()
    async with Client(url, key) as client:
        if as_json:
            show_json(await client.query(question, **options))
            return
        writer = AnswerWriter(screen)
        try:
            if stream:
                exchange = await follow(client, question, writer.write, _say_cut, **options)
            else:
                exchange = await fetch(client, question, **options)
                writer.write(exchange.answer.answer)
        finally:
            # An answer that broke off keeps its line, and the error gets one of its own.
            writer.finish()
        show_exchange(exchange, screen)
