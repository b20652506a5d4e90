"""What the demo does over HTTP, step by step; nothing here draws.

Each step raises a `Failure` when something does not hold.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from carrel.cli.client import Client
from carrel.cli.exchange import Exchange, follow
from carrel.cli.failure import ApiError, Failure
from carrel.cli.uploading import Outcome, upload_all
from carrel.cli.walk import Upload, walk

CORPUS = Path(__file__).parent / "corpus"
NAMES = ("acme", "globex")
PATIENCE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class DemoTenant:
    """One of the two companies: its key, a client that uses it, and its documents."""

    name: str
    id: str
    secret: str
    client: Client
    uploads: list[Upload]

    @property
    def document_ids(self) -> frozenset[str]:
        """The ids of its documents."""
        return frozenset(upload.document_id for upload in self.uploads)


Pair = Mapping[str, DemoTenant]


@dataclass(frozen=True, slots=True)
class Ingested:
    """What ingestion came to."""

    documents: int
    chunks: int
    seconds: float


@asynccontextmanager
async def two_tenants(url: str, admin_key: str) -> AsyncGenerator[Pair]:
    """The tenants, by name, each with a fresh key and an open client.

    A tenant that an earlier demo left in the same folder is used again.
    """
    async with AsyncExitStack() as clients:
        admin = await clients.enter_async_context(Client(url, admin_key))
        known = {tenant.name: tenant async for tenant in admin.tenants()}
        pair: dict[str, DemoTenant] = {}
        for name in NAMES:
            tenant = known.get(name) or await admin.create_tenant(name)
            key = await admin.create_key(tenant.id, name="demo")
            client = Client(url, key.secret, patience_seconds=PATIENCE_SECONDS)
            await clients.enter_async_context(client)
            uploads = walk([CORPUS / name]).uploads
            pair[name] = DemoTenant(name, tenant.id, key.secret, client, uploads)
        yield pair


async def ingest(
    pair: Pair, *, on_uploaded: Callable[[Upload], None], on_outcome: Callable[[Outcome], None]
) -> Ingested:
    """Both corpora, at the same time, until every document is ready."""
    started = time.perf_counter()
    outcomes = await asyncio.gather(
        *(
            upload_all(
                tenant.client, tenant.uploads, on_uploaded=on_uploaded, on_outcome=on_outcome
            )
            for tenant in pair.values()
        )
    )
    both = [outcome for each in outcomes for outcome in each]
    for outcome in both:
        if outcome.status == "failed":
            raise Failure(f"{outcome.upload.name}: {outcome.reason}")
    return Ingested(len(both), sum(each.chunks for each in both), time.perf_counter() - started)


async def ask_both(
    pair: Pair, question: str, on_text: Callable[[str, str], None]
) -> dict[str, Exchange]:
    """Both tenants' answers to *question*, streamed at the same time; *on_text* hears whose."""

    async def one(tenant: DemoTenant) -> Exchange:
        def said(text: str) -> None:
            on_text(tenant.name, text)

        return await follow(tenant.client, question, said)

    exchanges = await asyncio.gather(*(one(tenant) for tenant in pair.values()))
    return dict(zip(pair, exchanges, strict=True))


async def check_strangers_document(pair: Pair) -> str:
    """One tenant's key does not find the other's document, though the owner's does."""
    acme, globex = (pair[name] for name in NAMES)
    theirs = globex.uploads[0].document_id
    await globex.client.document(theirs)
    await _expect(404, acme.client, theirs)
    return f"{acme.name}'s key asks for {globex.name}'s {globex.uploads[0].path.name}: 404"


async def check_no_key(pair: Pair, url: str) -> str:
    """Without a key, nothing is answered."""
    async with Client(url) as stranger:
        await _expect(401, stranger, pair[NAMES[0]].uploads[0].document_id)
    return "no key: 401"


async def _expect(status: int, client: Client, document_id: str) -> None:
    try:
        await client.document(document_id)
    except ApiError as error:
        if error.status != status:
            raise Failure(f"expected {status}, got {error.status}: {error}") from error
        return
    raise Failure(f"expected {status}, but the document was handed out")
