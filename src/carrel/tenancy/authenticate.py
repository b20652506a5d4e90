"""From a bearer credential to a caller.

The tenant comes from the credential alone. A verified key is remembered for
`CACHE_SECONDS`, so a key that another process revokes is refused no later than that.
"""

import hmac
import time
from collections import OrderedDict
from datetime import UTC, datetime

from sqlalchemy import select

from carrel.database.engine import Database
from carrel.database.tables import keys, tenants
from carrel.domain.errors import InsufficientScope, InvalidApiKey
from carrel.domain.ids import KeyId
from carrel.domain.key import Caller
from carrel.tenancy.keys import hash_secret, is_well_formed

CACHE_SECONDS = 5.0
CACHE_KEYS = 10_000
ENVIRONMENT_KEY = KeyId("key_environment")


class Authenticator:
    """Verifies keys. *admin_key* is the one from the environment, if any."""

    def __init__(self, database: Database, admin_key: str | None) -> None:
        self._database = database
        self._admin_hash = hash_secret(admin_key) if admin_key else None
        self._verified: OrderedDict[str, tuple[float, Caller]] = OrderedDict()

    async def authenticate(self, secret: str) -> Caller:
        """The caller that *secret* stands for.

        Raises:
            InvalidApiKey: unknown, expired or revoked, which the message does not tell apart.
            InsufficientScope: the tenant is suspended.
        """
        digest = hash_secret(secret)
        if self._admin_hash and hmac.compare_digest(digest, self._admin_hash):
            return Caller(None, ENVIRONMENT_KEY, frozenset({"admin"}))
        if not is_well_formed(secret):
            raise InvalidApiKey("this is not a valid API key")
        if caller := self._remembered(digest):
            return caller
        caller = await self._look_up(digest)
        self._verified[digest] = (time.monotonic() + CACHE_SECONDS, caller)
        if len(self._verified) > CACHE_KEYS:
            self._verified.popitem(last=False)
        return caller

    def forget(self, key_id: KeyId | None = None) -> None:
        """Drop what is remembered of the key, or of all."""
        for digest, (_, caller) in list(self._verified.items()):
            if key_id is None or caller.key_id == key_id:
                del self._verified[digest]

    def _remembered(self, digest: str) -> Caller | None:
        entry = self._verified.get(digest)
        if entry is None:
            return None
        if entry[0] < time.monotonic():
            del self._verified[digest]
            return None
        return entry[1]

    async def _look_up(self, digest: str) -> Caller:
        query = (
            select(keys, tenants.c.status.label("tenant_status"), tenants.c.log_content)
            .select_from(keys.outerjoin(tenants, keys.c.tenant_id == tenants.c.id))
            .where(keys.c.secret_hash == digest, keys.c.revoked_at.is_(None))
        )
        rows = await self._database.fetch(query)
        row = rows[0] if rows else None
        if row is None or (row.expires_at is not None and row.expires_at <= datetime.now(UTC)):
            raise InvalidApiKey("this API key is unknown, expired or revoked")
        if row.tenant_id is not None and row.tenant_status != "active":
            raise InsufficientScope("this tenant is suspended")
        return Caller(
            row.tenant_id,
            row.id,
            frozenset(row.scopes),
            tuple(row.groups),
            log_content=bool(row.log_content),
        )
