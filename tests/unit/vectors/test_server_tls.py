"""A Qdrant server behind TLS with a private authority, and one that asks for an API key."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from tests.contract.certificates import Authority
from tests.contract.qdrant_wire import WireQdrant, listening
from tests.contract.sample_points import DIMENSIONS, A, point, publish

from carrel.domain.errors import Unavailable
from carrel.domain.ids import TenantId
from carrel.vectors.server.store import QdrantServerStore

pytestmark = pytest.mark.usefixtures("unblocked_loop")

ADDRESS = "127.0.0.1"
KEY = "qdrant-key"
OURS = TenantId("ten_ours")


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.made()


@asynccontextmanager
async def a_store(
    port: int, *, scheme: str = "https", authority: bytes | None = None, key: str | None = KEY
) -> AsyncIterator[QdrantServerStore]:
    store = await asyncio.to_thread(
        lambda: QdrantServerStore(
            f"{scheme}://{ADDRESS}",
            grpc_port=port,
            dimensions=DIMENSIONS,
            api_key=key,
            certificate_authority=authority,
        )
    )
    yield store
    await store.close()


async def test_with_its_authority_and_key_everything_works(authority: Authority) -> None:
    certificate = authority.certify(ADDRESS)
    async with (
        listening(WireQdrant(), certificate=certificate, api_key=KEY) as port,
        a_store(port, authority=authority.pem) as store,
    ):
        ours = store.tenant(OURS)
        await publish(ours, point(A))
        assert await ours.count() == 1


@pytest.mark.parametrize("key", [None, "another", ""])
async def test_without_the_right_key_the_server_is_unavailable(
    authority: Authority, key: str | None
) -> None:
    qdrant = WireQdrant()
    certificate = authority.certify(ADDRESS)
    async with (
        listening(qdrant, certificate=certificate, api_key=KEY) as port,
        a_store(port, authority=authority.pem, key=key) as store,
    ):
        for operation in (store.tenant(OURS).count, store.prepare, store.describe):
            with pytest.raises(Unavailable, match="API key") as refused:
                await operation()
            assert refused.value.retry_after_seconds > 1
        assert qdrant.messages == []


@pytest.mark.parametrize(
    ("certified", "trusted", "says"),
    [
        (ADDRESS, "another", "not of an authority that is trusted"),
        (ADDRESS, "its namesake", "not of an authority that is trusted"),
        (ADDRESS, None, "not of an authority that is trusted"),
        (ADDRESS, "no certificate", "no certificate can be read"),
        ("10.1.2.3", "its own", "for another name"),
    ],
)
async def test_a_certificate_that_is_not_trusted_is_named_as_the_reason(
    authority: Authority, certified: str, trusted: str | None, says: str
) -> None:
    trust = {
        "its own": authority.pem,
        "another": Authority.made("Others").pem,
        "its namesake": Authority.made().pem,
        "no certificate": b"not PEM",
        None: None,
    }[trusted]
    certificate = authority.certify(certified)
    async with (
        listening(WireQdrant(), certificate=certificate) as port,
        a_store(port, authority=trust) as store,
    ):
        for operation in (store.tenant(OURS).count, store.describe):
            with pytest.raises(Unavailable, match=says):
                await operation()


async def test_a_certificate_that_has_expired_is_named_as_the_reason(
    authority: Authority,
) -> None:
    async with (
        listening(WireQdrant(), certificate=authority.certify(ADDRESS, days=-1)) as port,
        a_store(port, authority=authority.pem) as store,
    ):
        with pytest.raises(Unavailable, match="has expired"):
            await store.ping()


async def test_a_server_without_tls_is_named_as_the_reason(authority: Authority) -> None:
    async with (
        listening(WireQdrant()) as port,
        a_store(port, authority=authority.pem) as store,
    ):
        with pytest.raises(Unavailable, match="does not speak TLS"):
            await store.ping()


async def test_a_key_in_plain_text_is_remarked_on() -> None:
    async with (
        listening(WireQdrant(), api_key=KEY) as port,
        a_store(port, scheme="http") as store,
    ):
        assert "the API key is sent in plain text" in {
            each.state for each in await store.describe()
        }
