"""Console sessions: credentials sealed into a token that only this deployment can open.

Nothing of a session is stored, so every process opens what any other sealed. A
session proves nothing by itself: the credential inside is authenticated again with
each request, so a key that is revoked, or whose tenant is suspended, ends with it.

A token is AES-256-GCM (NIST SP 800-38D) under a key that HKDF-SHA256 (RFC 5869)
derives from the admin key of the environment; where there is none, from the hash
of the first admin key that was ever made here, which no row's removal takes away.
"""

import base64
import binascii
import hashlib
import hmac
import os
import time
from dataclasses import dataclass, replace

import orjson

from carrel.domain.errors import InvalidRequest, Unavailable
from carrel.domain.ids import KeyId
from carrel.tenancy.keys import KeyStore

LIFE_SECONDS = 8 * 3600
MAX_ENTRIES = 16
# Browsers keep cookies of up to 4,096 bytes, name and attributes included.
MAX_TOKEN = 3_800
_NONCE = 12
_PURPOSE = b"carrel console session, version 1"


@dataclass(frozen=True, slots=True)
class Entry:
    """A credential of a session, and the id of its key."""

    key_id: KeyId
    secret: str


@dataclass(frozen=True, slots=True)
class Session:
    """Who signed in, and with what else since; `expires_at` in seconds since 1970."""

    entries: tuple[Entry, ...]
    expires_at: int

    def secret_of(self, key_id: str | None) -> str | None:
        """The credential of that key; of the first, if none is named."""
        for entry in self.entries:
            if key_id in (None, entry.key_id):
                return entry.secret
        return None

    def with_entry(self, entry: Entry) -> "Session":
        """The session with *entry*, too; beyond `MAX_ENTRIES`, the second-oldest goes."""
        others = [each for each in self.entries if each.key_id != entry.key_id]
        if len(others) == MAX_ENTRIES:
            del others[1]
        return replace(self, entries=(*others, entry))

    def without(self, key_id: KeyId) -> "Session":
        return replace(self, entries=tuple(e for e in self.entries if e.key_id != key_id))


def begin(entry: Entry) -> Session:
    """A session that starts now."""
    return Session((entry,), int(time.time()) + LIFE_SECONDS)


class Sessions:
    """Seals and opens sessions. *admin_key* is the one of the environment, if any."""

    def __init__(self, keys: KeyStore, admin_key: str | None) -> None:
        self._keys = keys
        self._key = derive(admin_key) if admin_key else None

    async def seal(self, session: Session) -> str:
        """The session as a token.

        Raises:
            InvalidRequest: it is too long for a cookie.
            Unavailable: the database does not answer.
        """
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        content = orjson.dumps(
            [session.expires_at, *([each.key_id, each.secret] for each in session.entries)]
        )
        nonce = os.urandom(_NONCE)
        sealed = nonce + AESGCM(await self._sealing_key()).encrypt(nonce, content, _PURPOSE)
        token = base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()
        if len(token) > MAX_TOKEN:
            raise InvalidRequest("this credential is too long for a session", param="key")
        return token

    async def open(self, token: str) -> Session | None:
        """The session that *token* holds; None where it is not ours, or is over.

        Raises:
            Unavailable: the database does not answer.
        """
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        if len(token) > MAX_TOKEN:
            return None
        try:
            sealed = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
            cipher = AESGCM(await self._sealing_key())
            content = cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], _PURPOSE)
        except (binascii.Error, ValueError, InvalidTag):
            return None
        expires_at, *entries = orjson.loads(content)
        if expires_at <= time.time():
            return None
        return Session(tuple(Entry(KeyId(name), secret) for name, secret in entries), expires_at)

    async def _sealing_key(self) -> bytes:
        if self._key is None:
            first = await self._keys.first_admin_hash()
            if first is None:
                raise Unavailable("there is no admin key yet")
            self._key = derive(first)
        return self._key


def derive(secret: str) -> bytes:
    """256 bits for this one purpose: HKDF-SHA256 without salt, one block of output."""
    extracted = hmac.digest(bytes(hashlib.sha256().digest_size), secret.encode(), "sha256")
    return hmac.digest(extracted, _PURPOSE + b"\x01", "sha256")
