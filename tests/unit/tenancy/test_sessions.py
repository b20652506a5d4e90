"""Sessions are opened by who sealed them, until they are over."""

from typing import Any, cast

import pytest

from carrel.domain.errors import InvalidRequest
from carrel.domain.ids import KeyId
from carrel.tenancy import sessions
from carrel.tenancy.keys import KeyStore
from carrel.tenancy.sessions import MAX_ENTRIES, Entry, Sessions, begin

ONE = Entry(KeyId("key_1"), "crl_one")
NO_KEYS = cast(KeyStore, None)


def _sealing(admin_key: str) -> Sessions:
    return Sessions(NO_KEYS, admin_key)


async def test_what_one_process_sealed_another_opens() -> None:
    session = begin(ONE)
    token = await _sealing("key").seal(session)
    assert await _sealing("key").open(token) == session
    assert "crl_one" not in token


async def test_another_deployments_session_is_none() -> None:
    token = await _sealing("key").seal(begin(ONE))
    assert await _sealing("other").open(token) is None


async def test_a_session_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    sealing = _sealing("key")
    token = await sealing.seal(begin(ONE))
    ends = begin(ONE).expires_at
    monkeypatch.setattr(sessions.time, "time", lambda: ends - 10)
    assert await sealing.open(token) is not None
    monkeypatch.setattr(sessions.time, "time", lambda: ends + 10)
    assert await sealing.open(token) is None


async def test_two_tokens_of_one_session_differ() -> None:
    sealing, session = _sealing("key"), begin(ONE)
    assert await sealing.seal(session) != await sealing.seal(session)


@pytest.mark.parametrize("token", ["", "A", "AAAA", "é", "\x00", "A" * 10_000])
async def test_nonsense_is_no_session(token: str) -> None:
    assert await _sealing("key").open(token) is None


async def test_the_key_that_signed_in_stays_when_there_are_too_many() -> None:
    session = begin(ONE)
    for number in range(2, MAX_ENTRIES + 3):
        session = session.with_entry(Entry(KeyId(f"key_{number}"), "x"))
    names = [each.key_id for each in session.entries]
    assert (len(names), names[0], names[1]) == (MAX_ENTRIES, "key_1", "key_4")


async def test_a_key_is_in_a_session_once() -> None:
    session = begin(ONE).with_entry(Entry(KeyId("key_1"), "crl_new"))
    assert [each.secret for each in session.entries] == ["crl_new"]


async def test_a_session_too_long_for_a_cookie_is_refused() -> None:
    with pytest.raises(InvalidRequest):
        await _sealing("key").seal(begin(Entry(KeyId("key_1"), "x" * 4000)))


async def test_without_an_admin_key_the_first_ones_hash_seals() -> None:
    class Keys:
        async def first_admin_hash(self) -> str:
            return "hash"

    first: Any = Sessions(cast(KeyStore, Keys()), None)
    assert await Sessions(cast(KeyStore, Keys()), None).open(await first.seal(begin(ONE)))


def test_the_sealing_key_is_hkdfs() -> None:
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    theirs = HKDF(SHA256(), 32, salt=None, info=b"carrel console session, version 1")
    assert sessions.derive("secret") == theirs.derive(b"secret")
