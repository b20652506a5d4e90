"""The session cookie: how it is set, and which requests may use it.

A cookie comes with every request of a browser, whoever made it send that. So one
that changes something must carry a header that no other site can send, and come from this origin.
"""

from datetime import UTC, datetime
from typing import Any, cast
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from carrel.domain.errors import InsufficientScope, InvalidApiKey
from carrel.services import Services
from carrel.tenancy.sessions import Session

# `__Host-`: browsers take it over https alone, from this host alone, for all of its paths.
SECURE_NAME = "__Host-carrel_session"
PLAIN_NAME = "carrel_session"
# Its value names the key to use, of those in the session; "-" is the one that signed in.
HEADER = "x-carrel-console"
_HARMLESS = frozenset({"GET", "HEAD", "OPTIONS"})


async def credential(request: Request) -> str:
    """The credential that a request without an `Authorization` header has by its session.

    Raises:
        InvalidApiKey: it has none.
        InsufficientScope: it would change something, and may come from elsewhere.
    """
    session = await opened(request)
    if session is None:
        raise InvalidApiKey("send an API key: Authorization: Bearer crl_…")
    if request.method not in _HARMLESS:
        check_origin(request)
    chosen = request.headers.get(HEADER, "-")
    secret = session.secret_of(None if chosen == "-" else chosen)
    if secret is None:
        raise InvalidApiKey("this key is not part of the session")
    return secret


async def opened(request: Request) -> Session | None:
    """The request's session, if it has one that is not over."""
    token = request.cookies.get(SECURE_NAME)
    if token is None and not is_https(request):
        token = request.cookies.get(PLAIN_NAME)
    if token is None:
        return None
    # No shared cache may keep what a cookie opened; `Authorization` says so by itself.
    request.state.is_session = True
    return await cast(Services, request.app.state.services).sessions.open(token)


def check_origin(request: Request) -> None:
    """Raises `InsufficientScope` unless a page of this origin made the request.

    `Sec-Fetch-Site` is the browser's own word, and right behind any proxy; browsers send it
    over https and to localhost. Elsewhere `Origin` is compared with the host asked for.
    """
    told = request.headers.get("sec-fetch-site")
    if told is None:
        origin = urlsplit(request.headers.get("origin", "")).netloc
        is_own = bool(origin) and origin == request.headers.get("host")
    else:
        is_own = told == "same-origin"
    if not is_own or HEADER not in request.headers:
        raise InsufficientScope("a session changes things from the console's own pages alone")


def is_https(request: Request) -> bool:
    """Whether the browser speaks https, to this server or to a proxy before it."""
    origin = request.headers.get("origin", "")
    return request.url.scheme == "https" or origin.startswith("https://")


def put(response: Response, request: Request, token: str, session: Session) -> None:
    """Set the cookie; scripts can't read it, and no other site's request carries it."""
    secure = is_https(request)
    name = SECURE_NAME if secure else PLAIN_NAME
    end = datetime.fromtimestamp(session.expires_at, UTC)
    response.set_cookie(name, token, expires=end, **_attributes(secure=secure))


def remove(response: Response) -> None:
    response.delete_cookie(SECURE_NAME, **_attributes(secure=True))
    response.delete_cookie(PLAIN_NAME, **_attributes(secure=False))


def _attributes(*, secure: bool) -> dict[str, Any]:
    return {"path": "/", "httponly": True, "secure": secure, "samesite": "strict"}
