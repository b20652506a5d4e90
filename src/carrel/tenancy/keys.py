"""API keys in the metadata database: made, changed, rotated and revoked.

Revoking is final. Each change leaves an entry in the audit log, in its own transaction.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Row, func, insert, select, update

from carrel.database.engine import Database, Transaction
from carrel.database.tables import keys, tenants
from carrel.domain.errors import Conflict, InvalidRequest, NotFound
from carrel.domain.ids import KeyId, TenantId, new_id
from carrel.domain.key import TENANT_SCOPES, Key, Scope
from carrel.domain.tenant import Budget, Limits
from carrel.tenancy.audit import OPERATOR, Actor, record
from carrel.tenancy.secret import SHOWN_CHARACTERS, hash_secret, new_secret
from carrel.tenancy.terms import (
    UNCHANGED,
    Unchanged,
    budget_from_row,
    budget_to_row,
    limits_from_row,
    limits_to_row,
)

_Row = Row[*tuple[Any, ...]]
_is_live = keys.c.revoked_at.is_(None)
_is_live_admin = keys.c.tenant_id.is_(None) & _is_live
# On Postgres: of several processes that start at once, one makes the first admin key.
_ONE_FIRST_ADMIN = select(func.pg_advisory_xact_lock(0x6361_7272_656C_0001))


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key just made; `secret` is never seen again."""

    key: Key
    secret: str


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
        limits: Limits | None = None,
        budget: Budget | None = None,
        by: Actor = OPERATOR,
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
        made = _new_key(tenant_id, name, scopes)
        key = dataclasses.replace(
            made.key, groups=groups, expires_at=expires_at, limits=limits or Limits(), budget=budget
        )
        async with self._database.write() as connection:
            tenant = await connection.execute(
                select(tenants.c.id).where(tenants.c.id == tenant_id, tenants.c.status != "erasing")
            )
            if tenant.first() is None:
                raise NotFound(f"no tenant {tenant_id}")
            await connection.execute(insert(keys).values(_row(key, made.secret)))
            await _record(connection, by, "key.create", key, _told(key))
        return NewKey(key, made.secret)

    async def ensure_admin(self) -> NewKey | None:
        """A first admin key, when there is none yet; None when there is one."""
        async with self._database.write() as connection:
            if not self._database.is_sqlite:  # where one transaction writes at a time
                await connection.execute(_ONE_FIRST_ADMIN)
            if (await connection.execute(select(keys.c.id).where(_is_live_admin))).first():
                return None
            return await _insert_admin(connection)

    async def replace_admin(self) -> NewKey:
        """A new admin key; those before it are revoked."""
        async with self._database.write() as connection:
            revoked = update(keys).where(_is_live_admin).values(revoked_at=datetime.now(UTC))
            for row in await connection.execute(revoked.returning(keys)):
                await _record(connection, OPERATOR, "key.revoke", _key(row))
            return await _insert_admin(connection)

    async def first_admin_hash(self) -> str | None:
        """The hash of the first admin key ever made here, revoked or not; None: there is none."""
        query = (
            select(keys.c.secret_hash)
            .where(keys.c.tenant_id.is_(None))
            .order_by(keys.c.created_at, keys.c.id)
            .limit(1)
        )
        rows = await self._database.fetch(query)
        return rows[0].secret_hash if rows else None

    async def of_tenant(self, tenant_id: TenantId) -> list[Key]:
        """The tenant's keys that are not revoked, oldest first."""
        query = (
            select(keys)
            .where(keys.c.tenant_id == tenant_id, _is_live)
            .order_by(keys.c.created_at, keys.c.id)
        )
        return [_key(row) for row in await self._database.fetch(query)]

    async def change(
        self,
        key_id: KeyId,
        *,
        name: str | None = None,
        scopes: tuple[Scope, ...] | None = None,
        groups: tuple[str, ...] | None = None,
        expires_at: datetime | Unchanged | None = UNCHANGED,
        limits: Mapping[str, int | None] | None = None,
        budget: Budget | Unchanged | None = UNCHANGED,
        by: Actor = OPERATOR,
    ) -> Key:
        """Set what is given, of *limits* those that are named; the key as it is then.

        Raises:
            NotFound: no such key, or it is revoked.
            InvalidRequest: what only a tenant's key has, for an admin key.
        """
        given = {"name": name, "scopes": scopes, "groups": groups}
        changes: dict[str, Any] = {
            field: value for field, value in given.items() if value is not None
        }
        if expires_at is not UNCHANGED:
            changes["expires_at"] = expires_at
        if budget is not UNCHANGED:
            changes["budget"] = budget
        async with self._database.write() as connection:
            before = await _locked(connection, key_id)
            if limits is not None:
                changes["limits"] = dataclasses.replace(before.limits, **limits)
            if before.tenant_id is None and changes.keys() - {"name", "expires_at"}:
                raise InvalidRequest("an admin key has a name and an expiry, and no more to set")
            key = dataclasses.replace(before, **changes)
            row = {field: _row(key)[field] for field in changes}
            if row:
                await connection.execute(update(keys).where(keys.c.id == key_id).values(row))
            told = {field: _told(key)[field] for field in changes}
            await _record(connection, by, "key.change", key, told)
        return key

    async def rotate(self, key_id: KeyId, *, overlap: timedelta, by: Actor = OPERATOR) -> NewKey:
        """A new key like this one, which itself works until the *overlap* is over.

        A key with an expiry gets a successor that lives as long as it was made to live.

        Raises:
            NotFound: no such key, or it is revoked or expired.
            Conflict: it was rotated before.
        """
        now = datetime.now(UTC)
        async with self._database.write() as connection:
            old = await _locked(connection, key_id)
            if old.expires_at is not None and old.expires_at <= now:
                raise NotFound(f"no key {key_id}")
            if old.replaced_by is not None:
                raise Conflict(f"{key_id} was rotated before: {old.replaced_by} is in its place")
            made = _new_key(old.tenant_id, old.name, old.scopes)
            life = None if old.expires_at is None else old.expires_at - old.created_at
            key = dataclasses.replace(
                made.key,
                groups=old.groups,
                expires_at=life and now + life,
                limits=old.limits,
                budget=old.budget,
            )
            until = min(now + overlap, old.expires_at or datetime.max.replace(tzinfo=UTC))
            await connection.execute(insert(keys).values(_row(key, made.secret)))
            await connection.execute(
                update(keys).where(keys.c.id == key_id).values(replaced_by=key.id, expires_at=until)
            )
            told = {"replaced_by": key.id, "expires_at": until.isoformat()}
            await _record(connection, by, "key.rotate", old, told)
        return NewKey(key, made.secret)

    async def revoke(self, key_id: KeyId, *, by: Actor = OPERATOR) -> None:
        """Refuse the key from now on.

        Raises:
            NotFound: no such key, or revoked before.
        """
        statement = (
            update(keys)
            .where(keys.c.id == key_id, _is_live)
            .values(revoked_at=datetime.now(UTC))
            .returning(keys)
        )
        async with self._database.write() as connection:
            row = (await connection.execute(statement)).first()
            if row is None:
                raise NotFound(f"no key {key_id}")
            await _record(connection, by, "key.revoke", _key(row))


async def _locked(connection: Transaction, key_id: KeyId) -> Key:
    query = select(keys).where(keys.c.id == key_id, _is_live).with_for_update()
    row = (await connection.execute(query)).first()
    if row is None:
        raise NotFound(f"no key {key_id}")
    return _key(row)


async def _insert_admin(connection: Transaction) -> NewKey:
    made = _new_key(None, "first admin key", ("admin",))
    await connection.execute(insert(keys).values(_row(made.key, made.secret)))
    await _record(connection, OPERATOR, "key.create", made.key, _told(made.key))
    return made


async def _record(
    connection: Transaction, by: Actor, action: str, key: Key, told: dict[str, Any] | None = None
) -> None:
    await record(connection, by, action, target=key.id, tenant_id=key.tenant_id, details=told)


def _new_key(tenant_id: TenantId | None, name: str, scopes: tuple[Scope, ...]) -> NewKey:
    secret = new_secret()
    key = Key(
        id=KeyId(new_id("key")),
        tenant_id=tenant_id,
        name=name,
        prefix=secret[:SHOWN_CHARACTERS],
        scopes=scopes,
        groups=(),
        expires_at=None,
        last_used_at=None,
        created_at=datetime.now(UTC),
    )
    return NewKey(key, secret)


def _row(key: Key, secret: str | None = None) -> dict[str, Any]:
    row = {
        **{field: getattr(key, field) for field in ("id", "tenant_id", "name", "prefix")},
        "scopes": list(key.scopes),
        "groups": list(key.groups),
        "limits": limits_to_row(key.limits),
        "budget": budget_to_row(key.budget),
        "expires_at": key.expires_at,
        "created_at": key.created_at,
    }
    return row if secret is None else {**row, "secret_hash": hash_secret(secret)}


def _told(key: Key) -> dict[str, Any]:
    """What the audit log tells of a key."""
    row = _row(key)
    expires_at = key.expires_at and key.expires_at.isoformat()
    names = ("name", "scopes", "groups", "limits", "budget")
    return {**{name: row[name] for name in names}, "expires_at": expires_at}


def _key(row: _Row) -> Key:
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
        limits=limits_from_row(row.limits),
        budget=budget_from_row(row.budget),
        replaced_by=row.replaced_by,
    )
