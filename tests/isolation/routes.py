"""Every route, with what an attack on it needs: its scope, its body, and where ids go.

`test_matrix.py` holds this table against the OpenAPI document of a live server: a route that is in
one of the two and not in the other fails.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from tests.isolation.canary import question_about

Plane = Literal["public", "tenant", "admin"]
Body = Callable[[str], Any]
QUESTION = question_about("refunds")


@dataclass(frozen=True)
class Route:
    """A route as it is attacked: *query*, *body* and *headers* are made for each id.

    `foreign` is what a sound key of another tenant is answered on the tenant's plane: it finds
    nothing (404), or something of its own. `succeeds` is what whoever may call it is answered.
    """

    method: str
    path: str
    scope: str | None
    succeeds: int
    foreign: int
    body: Body | None = None
    query: Callable[[str], Mapping[str, str]] | None = None
    headers: Callable[[str], Mapping[str, str]] | None = None
    # Which of the victim's ids makes the call succeed for those who may, in the last of the path's
    # parameters; in the one before goes the victim's own.
    own: str = "document"

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def plane(self) -> Plane:
        if self.scope is None:
            return "public"
        return "admin" if self.scope == "admin" else "tenant"

    @property
    def parameters(self) -> list[str]:
        """Those of the path, in their order."""
        return re.findall(r"\{(\w+)\}", self.path)

    @property
    def takes_ids(self) -> bool:
        makers = (self.body, self.query, self.headers)
        return bool(self.parameters) or any(maker is not None for maker in makers)


def _chat(some_id: str) -> dict[str, Any]:
    turns = [
        {"role": "system", "content": f"Show {some_id}"},
        {"role": "user", "content": QUESTION},
    ]
    return {
        "model": some_id,
        "messages": turns,
        "user": some_id,
        "metadata": {"tenant_id": some_id},
    }


def _embedding(some_id: str) -> dict[str, Any]:
    return {"model": "carrel", "input": f"{QUESTION} {some_id}", "user": some_id}


def _text(some_id: str) -> dict[str, Any]:
    fields = {"tenant_id": some_id, "visible_to": some_id, "document_id": some_id}
    return {"document_id": some_id, "text": "Nothing about that.", "metadata": fields}


def _asking(field: str) -> Body:
    return lambda some_id: {field: QUESTION, "filter": {"document_id": some_id}}


# In this order a caller who may make all the calls finds, each time, what the call is about.
def _feedback(some_id: str) -> dict[str, Any]:
    return {"id": "ans_" + re.sub(r"[^0-9A-Za-z_-]", "", some_id)[:64], "rating": "negative"}


ROUTES = (
    Route("POST", "/v1/query", "query", 200, 200, _asking("question")),
    Route("POST", "/v1/search", "search", 200, 200, _asking("query")),
    Route("POST", "/v1/chat/completions", "query", 200, 200, _chat),
    Route("GET", "/v1/query/{answer_id}/events", "query", 200, 404, own="answer"),
    Route("POST", "/v1/embeddings", "search", 200, 200, _embedding),
    Route("POST", "/v1/feedback", "query", 204, 204, _feedback),
    Route("GET", "/v1/models", "query", 200, 200, query=lambda i: {"tenant_id": i}),
    Route("GET", "/v1/models/{model}", "query", 200, 404, own="model"),
    Route("GET", "/v1/documents", "documents:read", 200, 422, query=lambda i: {"after": i}),
    Route("GET", "/v1/documents/{document_id}", "documents:read", 200, 404),
    Route("GET", "/v1/documents/{document_id}/events", "documents:read", 200, 404),
    # Nothing of it is under way.
    Route("POST", "/v1/documents/{document_id}/cancel", "documents:write", 409, 404),
    Route("GET", "/v1/chunks", "documents:read", 200, 404, query=lambda i: {"document_id": i}),
    Route("GET", "/v1/usage", "usage:read", 200, 200, query=lambda i: {"tenant_id": i}),
    Route("DELETE", "/v1/documents/{document_id}", "documents:write", 204, 404),
    # From here on the attacker has documents that are named by the victim's ids.
    Route(
        "POST",
        "/v1/documents",
        "documents:write",
        202,
        202,
        _text,
        headers=lambda i: {"idempotency-key": i},
    ),
    # It takes forms alone; `test_bulk.py` sends them.
    Route("POST", "/v1/documents/bulk", "documents:write", 415, 415, _text),
    Route("GET", "/admin/tenants", "admin", 200, 403, query=lambda i: {"id": i}),
    Route("POST", "/admin/tenants", "admin", 201, 403, lambda i: {"name": i}),
    Route("GET", "/admin/tenants/{tenant_id}", "admin", 200, 403, own="tenant"),
    Route(
        "PATCH",
        "/admin/tenants/{tenant_id}",
        "admin",
        200,
        403,
        lambda i: {"status": "active"},
        own="tenant",
    ),
    Route("DELETE", "/admin/tenants/{tenant_id}/cache", "admin", 204, 403, own="tenant"),
    Route("GET", "/admin/tenants/{tenant_id}/keys", "admin", 200, 403, own="tenant"),
    Route(
        "POST",
        "/admin/tenants/{tenant_id}/keys",
        "admin",
        201,
        403,
        lambda i: {"name": i},
        own="tenant",
    ),
    Route(
        "GET", "/admin/erasures", "admin", 200, 403, query=lambda i: {"tenant_id": i, "after": i}
    ),
    Route(
        "GET", "/admin/dead-jobs", "admin", 200, 403, query=lambda i: {"tenant_id": i, "after": i}
    ),
    Route("GET", "/admin/failures", "admin", 200, 403, query=lambda i: {"tenant_id": i}),
    Route("POST", "/admin/dead-jobs/{job_id}/retry", "admin", 404, 403, own="document"),
    Route("GET", "/admin/erasures/{erasure_id}", "admin", 200, 403, own="erasure"),
    Route("GET", "/admin/replicas", "admin", 200, 403, query=lambda i: {"tenant_id": i}),
    Route("POST", "/admin/isolation-check", "admin", 200, 403, query=lambda i: {"tenant_id": i}),
    Route("GET", "/admin/tenants/{tenant_id}/chunking", "admin", 200, 403, own="tenant"),
    Route("POST", "/admin/tenants/{tenant_id}/chunking", "admin", 202, 403, own="tenant"),
    Route("GET", "/admin/tenants/{tenant_id}/moves", "admin", 200, 403, own="tenant"),
    Route("GET", "/admin/tenants/{tenant_id}/moves/{move_id}", "admin", 200, 403, own="move"),
    Route(
        "POST",
        "/admin/tenants/{tenant_id}/moves",
        "admin",
        202,
        403,
        lambda i: {"isolation": "collection"},
        own="tenant",
    ),
    Route("GET", "/admin/embedder", "admin", 200, 403, query=lambda i: {"tenant_id": i}),
    Route(
        "PATCH",
        "/admin/keys/{key_id}",
        "admin",
        200,
        403,
        lambda i: {"limits": {"requests_per_minute": 1000}},
        own="key",
    ),
    # The old key goes on for a day: the routes below are still tried with it.
    Route("POST", "/admin/keys/{key_id}/rotate", "admin", 201, 403, lambda i: {}, own="key"),
    Route("GET", "/admin/audit", "admin", 200, 403, query=lambda i: {"tenant_id": i}),
    Route("GET", "/admin/usage", "admin", 200, 403, query=lambda i: {"tenant_id": i}),
    Route("GET", "/admin/tenants/{tenant_id}/usage", "admin", 200, 403, own="tenant"),
    Route("GET", "/livez", None, 200, 200, query=lambda i: {"tenant_id": i}),
    Route("GET", "/readyz", None, 200, 200, query=lambda i: {"tenant_id": i}),
    Route("GET", "/metrics", None, 200, 200, query=lambda i: {"tenant_id": i}),
    Route("DELETE", "/admin/keys/{key_id}", "admin", 204, 403, own="key"),
    # The move just begun is not over before the erasure waits for it.
    Route(
        "DELETE",
        "/admin/tenants/{tenant_id}",
        "admin",
        202,
        403,
        query=lambda i: {"wait": "0"},
        own="tenant",
    ),
)
