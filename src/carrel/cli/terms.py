"""The options that set limits and budgets, of tenants and of keys."""

import re
from typing import Annotated, Any

import typer

NONE = "none"
_BUDGET = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)/(day|month)")

RequestsPerMinute = Annotated[
    str | None, typer.Option(metavar="N", help="Requests a minute; none: no limit.")
]
TokensPerMinute = Annotated[
    str | None, typer.Option(metavar="N", help="Tokens a minute; none: no limit.")
]
ConcurrentRequests = Annotated[
    str | None, typer.Option(metavar="N", help="Requests at the same time; none: no limit.")
]
Documents = Annotated[str | None, typer.Option(metavar="N", help="Documents kept; none: no limit.")]
Bytes = Annotated[
    str | None, typer.Option("--bytes", metavar="N", help="Bytes of files kept; none: no limit.")
]
Chunks = Annotated[
    str | None, typer.Option(metavar="N", help="Chunks that searches find; none: no limit.")
]
QueuedDocuments = Annotated[
    str | None, typer.Option(metavar="N", help="Documents that may wait; none: the server's.")
]
ConcurrentDocuments = Annotated[
    str | None,
    typer.Option(metavar="N", help="Documents worked on at once; none: the server's."),
]
BudgetOption = Annotated[
    str | None,
    typer.Option("--budget", metavar="USD/PERIOD", help="Like 5/day or 99.50/month; none: none."),
]
OnOutage = Annotated[
    str | None,
    typer.Option(
        metavar="refuse|allow",
        help="With --budget: what to do while it can't be checked. Default: refuse.",
    ),
]


def terms(
    requests_per_minute: str | None,
    tokens_per_minute: str | None,
    concurrent_requests: str | None,
    budget: str | None,
    on_outage: str | None,
    **quotas: str | None,
) -> dict[str, Any]:
    """The fields `limits` and `budget` of a request, as far as options were given.

    Raises:
        typer.BadParameter: an option's value is wrong.
    """
    given = {
        "requests_per_minute": requests_per_minute,
        "tokens_per_minute": tokens_per_minute,
        "concurrent_requests": concurrent_requests,
        **quotas,
    }
    limits = {name: _limit(name, text) for name, text in given.items() if text is not None}
    fields: dict[str, Any] = {"limits": limits} if limits else {}
    if budget is not None:
        fields["budget"] = _budget(budget, on_outage)
    elif on_outage is not None:
        raise typer.BadParameter("goes with --budget", param_hint="--on-outage")
    return fields


def _limit(name: str, text: str) -> int | None:
    if text == NONE:
        return None
    digits, most = (18, 10**18) if name == "bytes" else (12, 10**9)
    if not text.isdecimal() or not 0 < int(text[:digits]) <= most:
        hint = "--" + name.replace("_", "-")
        raise typer.BadParameter("a whole number above 0, or none", param_hint=hint)
    return int(text)


def _budget(text: str, on_outage: str | None) -> dict[str, str] | None:
    if text == NONE:
        return None
    match = _BUDGET.fullmatch(text)
    if match is None:
        raise typer.BadParameter("like 5/day or 99.50/month, or none", param_hint="--budget")
    if on_outage not in {None, "refuse", "allow"}:
        raise typer.BadParameter("refuse or allow", param_hint="--on-outage")
    return {"usd": match[1], "period": match[2], "on_outage": on_outage or "refuse"}
