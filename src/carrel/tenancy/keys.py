"""API keys: `crl_`, 256 random bits and a checksum; only a hash is ever stored.

The checksum lets a mistyped or truncated key be refused without a look into the
database, and lets secret scanners recognise a leaked one. A fast hash is enough,
for a secret of 256 random bits cannot be guessed.
"""

import hashlib
import secrets
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row, insert, select, update

from carrel.database.engine import Database
from carrel.database.tables import keys, tenants
from carrel.domain.errors import InvalidRequest, NotFound
from carrel.domain.ids import KeyId, TenantId, new_id
from carrel.domain.key import TENANT_SCOPES, Key, Scope

MARK = "crl_"
SHOWN_CHARACTERS = 12
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SECRET_LENGTH = 43  # 62**43 > 2**256
_CHECKSUM_LENGTH = 6  # 62**6 > 2**32


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key just made; `secret` is never seen again."""

    key: Key
    secret: str


def new_secret() -> str:
    body = _base62(secrets.randbits(256), _SECRET_LENGTH)
    return f"{MARK}{body}{_checksum(body)}"


def is_well_formed(secret: str) -> bool:
    """Whether *secret* has the form of a key, its checksum included."""
    body = secret[len(MARK) : -_CHECKSUM_LENGTH]
    return (
        secret.startswith(MARK)
        and len(body) == _SECRET_LENGTH
        and secret.isascii()
        and secret[-_CHECKSUM_LENGTH:] == _checksum(body)
    )


def hash_secret(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _base62(number: int, length: int) -> str:
    digits: list[str] = []
    for _ in range(length):
        number, digit = divmod(number, 62)
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits))


def _checksum(body: str) -> str:
    return _base62(zlib.crc32(body.encode()), _CHECKSUM_LENGTH)


class KeyStore:
    """Keys in the metadata database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(
        self,
        tenant_id: TenantId,
        *,
        name: str = "",
        scopes: tuple[Scope, ...] = TENANT_SCOPES,
        groups: tuple[str, ...] = (),
        expires_at: datetime | None = None,
    ) -> NewKey:
        """A new key of the tenant.

        Raises:
            NotFound: no such tenant.
            InvalidRequest: an expiry in the past, or the scope `admin`.
        """
        if "admin" in scopes:
            raise InvalidRequest("a tenant's key cannot have the scope admin", param="scopes")
        if expires_at is not None and expires_at <= datetime.now(UTC):
            raise InvalidRequest("expires_at must lie in the future", param="expires_at")
        secret = new_secret()
        key = Key(
            id=KeyId(new_id("key")),
            tenant_id=tenant_id,
            name=name,
            prefix=secret[:SHOWN_CHARACTERS],
            scopes=scopes,
            groups=groups,
            expires_at=expires_at,
            last_used_at=None,
            created_at=datetime.now(UTC),
        )
        async with self._database.write() as connection:
            tenant = await connection.execute(
                select(tenants.c.id).where(tenants.c.id == tenant_id, tenants.c.status != "erasing")
            )
            if tenant.first() is None:
                raise NotFound(f"no tenant {tenant_id}")
            await connection.execute(insert(keys).values(_row(key, secret)))
        return NewKey(key, secret)

    async def ensure_admin(self) -> NewKey | None:
        """A first admin key, when there is none yet; None when there is one."""
        secret = new_secret()
        key = Key(
            id=KeyId(new_id("key")),
            tenant_id=None,
            name="first admin key",
            prefix=secret[:SHOWN_CHARACTERS],
            scopes=("admin",),
            groups=(),
            expires_at=None,
            last_used_at=None,
            created_at=datetime.now(UTC),
        )
        async with self._database.write() as connection:
            live = keys.c.tenant_id.is_(None) & keys.c.revoked_at.is_(None)
            if (await connection.execute(select(keys.c.id).where(live))).first() is not None:
                return None
            await connection.execute(insert(keys).values(_row(key, secret)))
        return NewKey(key, secret)

    async def replace_admin(self) -> NewKey:
        """A new admin key; those before it are revoked."""
        async with self._database.write() as connection:
            live = keys.c.tenant_id.is_(None) & keys.c.revoked_at.is_(None)
            await connection.execute(update(keys).where(live).values(revoked_at=datetime.now(UTC)))
        made = await self.ensure_admin()
        assert made is not None
        return made

    async def of_tenant(self, tenant_id: TenantId) -> list[Key]:
        """The tenant's keys that are not revoked, oldest first."""
        query = (
            select(keys)
            .where(keys.c.tenant_id == tenant_id, keys.c.revoked_at.is_(None))
            .order_by(keys.c.created_at, keys.c.id)
        )
        return [_key(row) for row in await self._database.fetch(query)]

    async def revoke(self, key_id: KeyId) -> None:
        """Refuse the key from now on.

        Raises:
            NotFound: no such key, or revoked before.
        """
        statement = (
            update(keys)
            .where(keys.c.id == key_id, keys.c.revoked_at.is_(None))
            .values(revoked_at=datetime.now(UTC))
        )
        async with self._database.write() as connection:
            if (await connection.execute(statement)).rowcount == 0:
                raise NotFound(f"no key {key_id}")


def _row(key: Key, secret: str) -> dict[str, Any]:
    return {
        "id": key.id,
        "tenant_id": key.tenant_id,
        "name": key.name,
        "prefix": key.prefix,
        "secret_hash": hash_secret(secret),
        "scopes": list(key.scopes),
        "groups": list(key.groups),
        "expires_at": key.expires_at,
        "created_at": key.created_at,
    }


def _key(row: Row[*tuple[Any, ...]]) -> Key:
    return Key(
        id=row.id,
        tenant_id=row.tenant_id,
        name=row.name,
        prefix=row.prefix,
        scopes=tuple(row.scopes),
        groups=tuple(row.groups),
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
        created_at=row.created_at,
    )
