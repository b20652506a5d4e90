"""What can go wrong between the command line and a server, each with what to do next.

One line of text for people each, and the process's exit status:

    Failure              of any kind
    ├── Unreachable      no server answers there, or the connection broke off
    └── ApiError         the server answered with an error
"""


class Failure(Exception):
    """An expected failure: its text is one line that says what to do next."""

    exit_status = 1

    def __init__(self, message: str, *, exit_status: int = 1) -> None:
        super().__init__(message)
        self.exit_status = exit_status


class Unreachable(Failure):
    """No answer came, or it broke off half-way."""


class ApiError(Failure):
    """The server's error: HTTP *status*, stable *code*, *message*, and *request_id* for its logs.

    `retry_after_seconds` is None where the server named no time.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        request_id: str | None = None,
        *,
        retry_after_seconds: float | None = None,
        advice: str = "",
    ) -> None:
        reference = f" (request {request_id})" if request_id else ""
        said = message.rstrip().rstrip(".") or f"HTTP {status} {code}"
        super().__init__(f"{said}{reference}." + (f" {advice}" if advice else ""))
        self.status = status
        self.code = code
        self.message = message
        self.request_id = request_id
        self.retry_after_seconds = retry_after_seconds


_TENANT_ADVICE = {
    "invalid_api_key": (
        "Set CARREL_API_KEY (or --key) to a key of your tenant;"
        " `carrel keys create --tenant ID` makes one."
    ),
    "insufficient_scope": (
        "Use a key that has the scope; `carrel keys create --tenant ID --scope NAME` makes one."
    ),
    "insufficient_quota": "The tenant's budget is used up; its operator can raise it.",
    "storage_full": "The server's disk is full: free some space there, then repeat.",
}
_ADMIN_ADVICE = {
    "invalid_api_key": (
        "Set CARREL_ADMIN_KEY (or --admin-key) to the admin key that the server was started with."
    ),
    "insufficient_scope": "This needs the admin key: set CARREL_ADMIN_KEY (or --admin-key).",
    "not_found": "`carrel tenants list` and `carrel keys list --tenant ID` show what exists.",
}


def advice(path: str, code: str, retry_after_seconds: float | None) -> str:
    """What someone who asked for *path* and got *code* can do next; empty if nothing is sure."""
    known = _ADMIN_ADVICE if path.startswith("/admin") else _TENANT_ADVICE
    if code in known:
        return known[code]
    if code in {"unavailable", "rate_limit_exceeded"}:
        wait = f" in {retry_after_seconds:.0f} s" if retry_after_seconds else " in a moment"
        return f"Try again{wait}."
    return ""
