"""Published keys, of an issuer that answers slowly, wrongly or not at all."""

import asyncio
from collections.abc import Iterator

import pytest
from tests.issuer import KeySet, ec_key, jwk, published, rsa_key

from carrel.domain.errors import Unavailable
from carrel.tenancy import jwks
from carrel.tenancy.jwks import PublishedKeys

RSA, EC = rsa_key(), ec_key()


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(jwks.time, "monotonic", made)
    return made


@pytest.fixture
def issuer() -> Iterator[KeySet]:
    with published(KeySet(keys=[jwk(RSA, "one"), jwk(EC, "two")])) as running:
        yield running


@pytest.fixture
async def keys(issuer: KeySet, clock: Clock):
    made = PublishedKeys(issuer.url)
    yield made
    await made.close()


async def test_keys_are_fetched_once_for_all_who_wait(keys: PublishedKeys, issuer: KeySet):
    found = await asyncio.gather(*(keys.find("one", "RS256") for _ in range(20)))
    assert all(found)
    assert issuer.requests == 1


async def test_a_key_is_found_by_id_and_algorithm(keys: PublishedKeys):
    assert await keys.find("two", "ES256") is not None
    assert await keys.find("two", "RS256") is None
    assert await keys.find(None, "ES256") is not None  # there is one only
    assert await keys.find("one", "none") is None


async def test_without_an_id_a_token_does_not_choose_among_several(
    keys: PublishedKeys, issuer: KeySet
):
    issuer.keys.append(jwk(rsa_key(), "three"))
    assert await keys.find("three", "RS256") is not None
    assert await keys.find(None, "RS256") is None


async def test_a_new_key_is_fetched_when_a_token_names_it(
    keys: PublishedKeys, issuer: KeySet, clock: Clock
):
    await keys.find("one", "RS256")
    issuer.keys.append(jwk(rsa_key(), "new"))
    clock.now += jwks.PAUSE_SECONDS
    assert await keys.find("new", "RS256") is not None


async def test_invented_ids_cost_the_issuer_one_request_in_a_pause(
    keys: PublishedKeys, issuer: KeySet, clock: Clock
):
    for number in range(100):
        assert await keys.find(f"invented-{number}", "RS256") is None
    assert issuer.requests == 1
    clock.now += jwks.PAUSE_SECONDS
    await asyncio.gather(*(keys.find(f"more-{number}", "RS256") for number in range(100)))
    assert issuer.requests == 2


async def test_keys_are_refreshed_in_the_background(
    keys: PublishedKeys, issuer: KeySet, clock: Clock
):
    await keys.find("one", "RS256")
    issuer.keys = [jwk(RSA, "one")]
    clock.now += jwks.REFRESH_SECONDS + 1
    assert await keys.find("two", "ES256") is not None  # asked for meanwhile
    await keys.close()
    assert issuer.requests == 2
    assert await keys.find("two", "ES256") is None


@pytest.mark.parametrize(
    "broken",
    [
        {"status": 500},
        {"status": 302},
        {"body": b"no JSON"},
        {"body": b"[]"},
        {"body": b'{"keys": []}'},
        {"body": b'{"keys": [{"kty": "oct", "k": "c2VjcmV0", "kid": "one"}]}'},
        {"body": b'{"keys": [' + b'{"kty": "RSA"},' * 50_000 + b"{}]}"},
    ],
    ids=lambda each: str(each)[:40],
)
async def test_keys_known_before_serve_while_the_issuer_is_broken(
    keys: PublishedKeys, issuer: KeySet, clock: Clock, broken: dict[str, object]
):
    await keys.find("one", "RS256")
    for name, value in broken.items():
        setattr(issuer, name, value)
    clock.now += jwks.REFRESH_SECONDS + 1
    assert await keys.find("one", "RS256") is not None
    assert await keys.find("new", "RS256") is None
    assert issuer.requests == 2
    assert await keys.find("one", "RS256") is not None


async def test_after_a_day_without_the_issuer_nothing_is_verified(
    keys: PublishedKeys, issuer: KeySet, clock: Clock
):
    await keys.find("one", "RS256")
    issuer.status = 500
    clock.now += jwks.STALE_SECONDS
    with pytest.raises(Unavailable):
        await keys.find("one", "RS256")


async def test_without_any_keys_the_server_is_at_fault_and_not_the_token(clock: Clock):
    nobody = PublishedKeys("http://127.0.0.1:1/keys")
    for _ in range(3):
        with pytest.raises(Unavailable):
            await nobody.find("one", "RS256")
    await nobody.close()
