"""What there is on a server before a person opens its console: tenants, keys, documents, usage."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from playwright.sync_api import APIRequestContext, FilePayload, Playwright
from tests.acceptance.server import ADMIN_KEY, Server

HANDBOOK = """# Staff handbook

## Refunds

Refunds are paid within 30 days of the return. The customer keeps the receipt, and the shop
keeps a copy for seven years. A refund of more than 500 euros needs a second signature.

## Holidays

Every employee has 28 days of paid leave a year. Up to five unused days move to the next year
and lapse at the end of March.
"""


@dataclass
class Api:
    """Calls the server with one key, past the console."""

    playwright: Playwright
    server: Server
    key: str = ADMIN_KEY

    def call(self, method: str, path: str, body: Any = None) -> Any:
        with self._calling() as context:
            answer = context.fetch(path, method=method, data=body)
            assert answer.ok, (answer.status, answer.text())
            return answer.json() if answer.status != 204 else None

    def status_of(self, method: str, path: str, body: Any = None) -> int:
        """The status of what may fail."""
        with self._calling() as context:
            return context.fetch(path, method=method, data=body).status

    def upload(self, name: str, file_name: str, content: bytes) -> dict[str, Any]:
        """A file, once it is ready or has failed."""
        file: FilePayload = {"name": file_name, "mimeType": "application/pdf", "buffer": content}
        with self._calling() as context:
            parts = {"file": file, "document_id": name}
            return context.post("/v1/documents?wait=60", multipart=parts).json()

    @contextmanager
    def _calling(self) -> Iterator[APIRequestContext]:
        context = self.playwright.request.new_context(
            base_url=self.server.url, extra_http_headers={"authorization": f"Bearer {self.key}"}
        )
        try:
            yield context
        finally:
            context.dispose()

    def post(self, path: str, body: Any = None) -> Any:
        return self.call("POST", path, body)

    def get(self, path: str) -> Any:
        return self.call("GET", path)

    def tenant(self, name: str, **terms: Any) -> dict[str, Any]:
        return self.post("/admin/tenants", {"name": name, **terms})

    def key_of(self, tenant: dict[str, Any], **fields: Any) -> "Api":
        """Calls with a new key of the tenant."""
        made = self.post(f"/admin/tenants/{tenant['id']}/keys", {"name": "web shop", **fields})
        return Api(self.playwright, self.server, made["secret"])

    def document(self, name: str, text: str, **fields: Any) -> dict[str, Any]:
        """A text, once it is ready."""
        body = {"document_id": name, "text": text, **fields}
        made = self.post("/v1/documents?wait=60", body)
        assert made["status"] == "ready", made
        return made


@dataclass(frozen=True)
class Spent:
    """Usage of one day, as it is put into the ledger."""

    tenant_id: str
    days_ago: int
    requests: int
    micro_usd: int
    model: str = "small"
    hits: int = 0
    saved_micro_usd: int = 0


def spend(server: Server, spent: Sequence[Spent]) -> None:
    """Write the usage of past days into the server's ledger."""
    now = datetime.now(UTC)
    rows: list[tuple[Any, ...]] = []
    for each in spent:
        # The first hour of the day: today's, too, is past.
        day = (now - timedelta(days=each.days_ago)).replace(hour=0, minute=0, second=0)
        at = day.strftime("%Y-%m-%d %H:%M:%S.000000")
        for n in range(each.requests):
            is_hit = n < each.hits
            rows.append(
                (
                    f"req_{each.tenant_id}_{each.model}_{each.days_ago}_{n}",
                    *(each.tenant_id, "key_x", at, "/v1/query", each.model),
                    "exact" if is_hit else "miss",
                    *(False, 0 if is_hit else 900, 0 if is_hit else 90, 10),
                    0 if is_hit else each.micro_usd,
                    each.saved_micro_usd if is_hit else 0,
                )
            )
    with sqlite3.connect(server.data_dir / "carrel.db", timeout=30) as database:
        marks = ", ".join("?" * 13)
        database.executemany(f"INSERT INTO usage_events VALUES ({marks})", rows)
    database.close()
