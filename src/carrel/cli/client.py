"""A small asynchronous client of Carrel's HTTP API: both planes, typed results, streams.

Every method may raise `ApiError` (the server said no) and `Unreachable` (it
said nothing); how requests are repeated is `carrel.cli.connection`'s to say.
"""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from datetime import datetime
from pathlib import Path
from typing import Any, Unpack

import aiohttp
import msgspec

from carrel.cli.connection import Connection, part
from carrel.cli.failure import Unreachable
from carrel.cli.streaming import Part, Streaming
from carrel.cli.wire import (
    Answer,
    AuditEntry,
    Chunking,
    Document,
    Embedder,
    Erasure,
    Hits,
    Key,
    KeyOptions,
    Move,
    NewKey,
    Page,
    QueryOptions,
    Source,
    Tenant,
    TenantOptions,
    UsageBucket,
    UsageReport,
)


class Client(Connection):
    """What one key may do on one server; use it as an async context manager."""

    # Data plane

    async def query(self, question: str, **options: Unpack[QueryOptions]) -> Answer:
        """The finished answer. *options* are those of the contract: `top_k`, `filter`, `cache`."""
        body = {"question": question, "stream": False, **options}
        return await self.fetch(Answer, "POST", "/v1/query", json=body)

    async def stream(self, question: str, **options: Unpack[QueryOptions]) -> AsyncGenerator[Part]:
        """The answer as it is written: its sources, its deltas, then the whole.

        A `Cut` among them: the connection was lost, and the stream is being read on.

        Raises:
            ApiError: also from an `error` event, half-way (status 200).
            Unreachable: also when the stream ends before the answer does, for good.
        """
        reading = Streaming(self, {"question": question, "stream": True, **options}).parts()
        async with aclosing(reading):
            async for each in reading:
                yield each

    async def search(self, query: str, *, top_k: int = 8) -> list[Source]:
        """The passages nearest to *query*, best first."""
        body = {"query": query, "top_k": top_k}
        return (await self.fetch(Hits, "POST", "/v1/search", json=body)).hits

    async def upload(
        self,
        path: Path,
        *,
        document_id: str,
        title: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Document:
        """The document as the server took it in, which is before it is ready.

        The same bytes again under the same id change nothing, and come back `ready` at once.
        """

        def form() -> aiohttp.FormData:
            # The file's name goes out as browsers send it: UTF-8, not percent-encoded.
            fields = aiohttp.FormData(quote_fields=False)
            fields.add_field("document_id", document_id)
            if title is not None:
                fields.add_field("title", title)
            if metadata:
                fields.add_field("metadata", msgspec.json.encode(metadata).decode())
            fields.add_field("file", path.open("rb"), filename=path.name)
            return fields

        return await self.fetch(Document, "POST", "/v1/documents", form=form)

    async def document(self, document_id: str, *, wait_seconds: int = 0) -> Document:
        """The document now, or once it is ready or failed, or after *wait_seconds*."""
        query = f"?wait={wait_seconds}" if wait_seconds else ""
        return await self.fetch(
            Document, "GET", f"/v1/documents/{part(document_id, safe='/')}{query}"
        )

    async def documents(self) -> AsyncGenerator[Document]:
        """All documents of the tenant, page by page."""
        async for document in self.pages(Page[Document], "/v1/documents"):
            yield document

    async def delete_document(self, document_id: str) -> None:
        """Delete a document and all it left in indexes."""
        await self.discard("DELETE", f"/v1/documents/{part(document_id, safe='/')}")

    # Admin plane

    async def create_tenant(
        self, name: str, *, isolation: str = "shared", server: str | None = None
    ) -> Tenant:
        """The new tenant."""
        body = {"name": name, "isolation": isolation, "server": server}
        return await self.fetch(Tenant, "POST", "/admin/tenants", json=body)

    async def tenants(self) -> AsyncGenerator[Tenant]:
        """All tenants, page by page."""
        async for tenant in self.pages(Page[Tenant], "/admin/tenants"):
            yield tenant

    async def tenant(self, tenant_id: str) -> Tenant:
        """One tenant."""
        return await self.fetch(Tenant, "GET", f"/admin/tenants/{part(tenant_id)}")

    async def change_tenant(self, tenant_id: str, **changes: Unpack[TenantOptions]) -> Tenant:
        """The tenant, changed."""
        return await self.fetch(Tenant, "PATCH", f"/admin/tenants/{part(tenant_id)}", json=changes)

    async def delete_tenant(self, tenant_id: str) -> None:
        """Erase a tenant: its documents, keys and caches. `erasures` tells how far that is."""
        await self.discard("DELETE", f"/admin/tenants/{part(tenant_id)}")

    async def erasures(self, tenant_id: str | None = None) -> AsyncGenerator[Erasure]:
        """Reports of erasures, newest first, of one tenant or of all; page by page."""
        query = f"?tenant_id={part(tenant_id)}" if tenant_id else ""
        async for erasure in self.pages(Page[Erasure], f"/admin/erasures{query}"):
            yield erasure

    async def move_tenant(
        self, tenant_id: str, *, isolation: str, server: str | None = None
    ) -> Move:
        """The move as it starts."""
        body = {"isolation": isolation, "server": server}
        path = f"/admin/tenants/{part(tenant_id)}/moves"
        return await self.fetch(Move, "POST", path, json=body)

    async def move(self, tenant_id: str, move_id: str) -> Move:
        """The move as it is now."""
        path = f"/admin/tenants/{part(tenant_id)}/moves/{part(move_id)}"
        return await self.fetch(Move, "GET", path)

    async def moves(self, tenant_id: str) -> list[Move]:
        """The tenant's moves, newest first."""
        path = f"/admin/tenants/{part(tenant_id)}/moves"
        return (await self.fetch(Page[Move], "GET", path)).data

    async def embedder(self) -> Embedder:
        """The embedder, and how many tenants' vectors are of another."""
        return await self.fetch(Embedder, "GET", "/admin/embedder")

    async def chunking(self, tenant_id: str) -> Chunking:
        """How many of the tenant's documents were cut otherwise than the settings say."""
        return await self.fetch(Chunking, "GET", f"/admin/tenants/{part(tenant_id)}/chunking")

    async def cut_again(self, tenant_id: str) -> Chunking:
        """Queue some of those; `queued` is how many."""
        return await self.fetch(Chunking, "POST", f"/admin/tenants/{part(tenant_id)}/chunking")

    async def create_key(self, tenant_id: str, **options: Unpack[KeyOptions]) -> NewKey:
        """A key with its secret. *options* are the contract's: `name`, `scopes`, `expires_at`."""
        path = f"/admin/tenants/{part(tenant_id)}/keys"
        return await self.fetch(NewKey, "POST", path, json=options)

    async def keys(self, tenant_id: str) -> AsyncGenerator[Key]:
        """All keys of a tenant, without secrets."""
        async for key in self.pages(Page[Key], f"/admin/tenants/{part(tenant_id)}/keys"):
            yield key

    async def change_key(self, key_id: str, **changes: Unpack[KeyOptions]) -> Key:
        """The key, changed."""
        return await self.fetch(Key, "PATCH", f"/admin/keys/{part(key_id)}", json=changes)

    async def rotate_key(self, key_id: str, *, overlap_seconds: int) -> NewKey:
        """A key in the place of this one, which works for *overlap_seconds* more."""
        path, body = f"/admin/keys/{part(key_id)}/rotate", {"overlap_seconds": overlap_seconds}
        return await self.fetch(NewKey, "POST", path, json=body)

    async def revoke_key(self, key_id: str) -> None:
        """Make a key worthless, at once."""
        await self.discard("DELETE", f"/admin/keys/{part(key_id)}")

    async def audit(self, *, tenant_id: str | None, limit: int) -> list[AuditEntry]:
        """The last *limit* things that administrators did, newest first."""
        of_tenant = f"&tenant_id={part(tenant_id)}" if tenant_id else ""
        path = f"/admin/audit?limit={limit}{of_tenant}"
        return (await self.fetch(Page[AuditEntry], "GET", path)).data

    async def usage(self, start: datetime, *, tenant_id: str | None = None) -> list[UsageBucket]:
        """What was used since *start*, by day and tenant; of all tenants, or of one."""
        of = f"tenants/{part(tenant_id)}/" if tenant_id else ""
        path = f"/admin/{of}usage?bucket=day&group_by=tenant&start={part(start.isoformat())}"
        return (await self.fetch(UsageReport, "GET", path)).data

    # Operations

    async def is_ready(self) -> bool:
        """Whether the server accepts work; False also when nothing listens."""
        try:
            async with self.exchange("GET", "/readyz") as response:
                return response.status == 200
        except Unreachable:
            return False
