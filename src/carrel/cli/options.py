"""The options that several commands share, and what their values must be."""

import json
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, cast

import typer

from carrel.cli.failure import Failure
from carrel.domain.errors import InvalidRequest
from carrel.domain.filter import parse_filter, parse_metadata

DEFAULT_URL = "http://127.0.0.1:8080"

Url = Annotated[str, typer.Option("--url", envvar="CARREL_URL", help="The server's address.")]
ApiKey = Annotated[
    str | None,
    typer.Option("--key", envvar="CARREL_API_KEY", help="An API key of your tenant."),
]
AdminKey = Annotated[
    str | None,
    typer.Option("--admin-key", envvar="CARREL_ADMIN_KEY", help="The server's admin key."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def tenant_key(key: str | None) -> str:
    """The tenant's key, or a `Failure` that says where to get one."""
    if not key:
        raise Failure(
            "No API key. Set CARREL_API_KEY or pass --key;"
            " `carrel keys create --tenant ID` makes one.",
            exit_status=2,
        )
    return key


def admin_key(key: str | None) -> str:
    """The admin key, or a `Failure` that says where to find it."""
    if not key:
        raise Failure(
            "No admin key. Set CARREL_ADMIN_KEY or pass --admin-key: it is the one"
            " that the server was started with, or printed at its first start.",
            exit_status=2,
        )
    return key


def filter_option(text: str | None) -> dict[str, Any] | None:
    """The metadata filter that *text* spells in JSON.

    Raises:
        typer.BadParameter: not JSON, or not of the filter's grammar.
    """
    if text is None:
        return None
    option = "--filter"
    try:
        raw: object = json.loads(text)
    except ValueError as error:
        raise typer.BadParameter(f"not JSON: {error}", param_hint=option) from None
    if not isinstance(raw, dict):
        raise typer.BadParameter("a JSON object, like '{\"year\": 2024}'", param_hint=option)
    fields = cast("dict[str, Any]", raw)
    try:
        parse_filter(fields)
    except InvalidRequest as error:
        raise typer.BadParameter(f"{error.param}: {error.message}", param_hint=option) from None
    return fields


def metadata_option(pairs: list[str]) -> dict[str, Any]:
    """The metadata of `key=value` *pairs*; numbers and booleans are taken as such.

    A key given more than once holds the list of its values.

    Raises:
        typer.BadParameter: a pair without "=", or a key that metadata can't have.
    """
    option = "--metadata"
    fields: dict[str, list[Any]] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise typer.BadParameter(f"key=value, not {pair!r}", param_hint=option)
        fields.setdefault(name, []).append(_scalar(value))
    metadata = {name: values if len(values) > 1 else values[0] for name, values in fields.items()}
    try:
        parse_metadata(metadata)
    except InvalidRequest as error:
        raise typer.BadParameter(f"{error.param}: {error.message}", param_hint=option) from None
    return metadata


def expiry_option(text: str | None, *, now: datetime | None = None) -> str | None:
    """The moment, in ISO 8601, that is `30d` (or s, m, h, w) from *now*.

    Raises:
        typer.BadParameter: not a whole number above 0 and a unit.
    """
    if text is None:
        return None
    moment = (now or datetime.now(UTC)) + timedelta(seconds=seconds_option(text, "--expires-in"))
    return moment.isoformat(timespec="seconds")


def seconds_option(text: str, option: str) -> int:
    """The seconds of `30d` (or s, m, h, w).

    Raises:
        typer.BadParameter: not a whole number above 0 and a unit.
    """
    number, unit = text[:-1], text[-1:]
    # Nine digits of weeks are beyond any calendar: the bound keeps a sum with it inside.
    if unit not in _SECONDS or not number.isdecimal() or not 0 < int(number) < 100_000:
        raise typer.BadParameter("a time like 30d, 12h or 8w", param_hint=option)
    return int(number) * _SECONDS[unit]


def _scalar(text: str) -> str | int | float | bool:
    try:
        value: object = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, bool | int | float) else text
