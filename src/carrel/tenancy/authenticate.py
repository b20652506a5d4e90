"""From a bearer credential, an API key or a signed token, to a caller.

The tenant comes from the credential alone. A verified credential is remembered
for `REMEMBERED_SECONDS` and never beyond its own end, so what another process
revokes is refused no later than that; with Redis, within `changes.CHECK_SECONDS`.
"""

import hmac
import time
from typing import TYPE_CHECKING

from carrel.database.engine import Database
from carrel.domain.errors import InvalidApiKey
from carrel.domain.ids import KeyId, TenantId
from carrel.domain.key import Caller
from carrel.tenancy.changes import Changes, Shared
from carrel.tenancy.expiring import Expiring
from carrel.tenancy.last_use import LastUse
from carrel.tenancy.lookup import Lookup, Standing
from carrel.tenancy.secret import hash_secret, is_well_formed
from carrel.tenancy.sharing import Sharing

if TYPE_CHECKING:  # its library takes 0.2 s to import, which only its users should pay
    from carrel.tenancy.jwt import TokenVerifier

REMEMBERED_SECONDS = 5.0
REMEMBERED_CALLERS = 10_000
# A key that is unknown or revoked stays so, and its secret can't be guessed before it is made.
REFUSED_SECONDS = 60.0
REFUSED_KEYS = 10_000
MAX_CREDENTIAL = 16_384
ENVIRONMENT_KEY = KeyId("key_environment")


class Authenticator:
    """Verifies credentials. *admin_key* is the one from the environment, if any.

    Without *tokens* there are API keys alone; without *shared*, what other
    processes change is noticed when memory ends.
    """

    def __init__(
        self,
        database: Database,
        admin_key: str | None,
        *,
        tokens: "TokenVerifier | None" = None,
        shared: Shared | None = None,
        last_use: LastUse | None = None,
    ) -> None:
        self._lookup = Lookup(database)
        self._admin_hash = hash_secret(admin_key) if admin_key else None
        self._tokens = tokens
        self._changes = Changes(shared, self._forget_all) if shared else None
        self._last_use = last_use
        self._verified: Expiring[str, Caller] = Expiring(REMEMBERED_CALLERS)
        # With the time until which it may be trusted, which callers made of it inherit.
        self._standing: Expiring[TenantId, tuple[Standing, float]] = Expiring(REMEMBERED_CALLERS)
        self._refused: Expiring[str, bool] = Expiring(REFUSED_KEYS)
        # Rises when memory is emptied: what was read before must not be remembered after.
        self._epoch = 0
        self._verifying: Sharing[tuple[int, str], Caller] = Sharing()

    async def authenticate(self, secret: str) -> Caller:
        """The caller that *secret* stands for.

        Raises:
            InvalidApiKey: unknown, expired or revoked, which the message does not tell apart;
                or a token that does not hold.
            InsufficientScope: the tenant is suspended.
            Unavailable: whether it is valid can't be known now.
        """
        if len(secret) > MAX_CREDENTIAL:
            raise InvalidApiKey("this is not a valid API key")
        digest = hash_secret(secret)
        if self._admin_hash and hmac.compare_digest(digest, self._admin_hash):
            return Caller(None, ENVIRONMENT_KEY, frozenset({"admin"}))
        if self._changes is not None and self._changes.is_due and self._verified.get(digest):
            await self._changes.check()
        is_token = self._tokens is not None and secret.count(".") == 2
        caller = self._verified.get(digest)
        if caller is None:
            epoch = self._epoch
            verify = self._verify_token if is_token else self._verify_key
            caller = await self._verifying.run(
                (epoch, digest), lambda: verify(secret, digest, epoch)
            )
        if self._last_use is not None and not is_token:
            self._last_use.note(caller.key_id)
        return caller

    async def forget(self, key_id: KeyId | None = None) -> None:
        """Drop what is remembered of the key, or of all; in all processes."""
        self._epoch += 1
        self._verified.drop(lambda caller: key_id in (None, caller.key_id))
        if key_id is None:
            self._standing.clear()
        if self._changes is not None:
            await self._changes.announce()

    async def close(self) -> None:
        await self._verifying.close()
        if self._changes is not None:
            await self._changes.close()
        if self._tokens is not None:
            await self._tokens.close()

    def _forget_all(self) -> None:
        self._epoch += 1
        self._verified.clear()
        self._standing.clear()

    async def _verify_key(self, secret: str, digest: str, epoch: int) -> Caller:
        if not is_well_formed(secret):
            raise InvalidApiKey("this is not a valid API key")
        now = time.monotonic()
        found = None if self._refused.get(digest) else await self._lookup.key(digest)
        if found is None:
            self._refused.put(digest, True, now + REFUSED_SECONDS)
            raise InvalidApiKey("this API key is unknown, expired or revoked")
        caller, expires_at = found
        until = now + REMEMBERED_SECONDS
        if expires_at is not None:
            until = min(until, now + expires_at.timestamp() - time.time())
        if epoch == self._epoch:
            self._verified.put(digest, caller, until)
        return caller

    async def _verify_token(self, secret: str, digest: str, epoch: int) -> Caller:
        assert self._tokens is not None
        token = await self._tokens.verify(secret)
        now = time.monotonic()
        standing = self._standing.get(token.tenant_id)
        if standing is None:
            standing = await self._lookup.tenant(token.tenant_id), now + REMEMBERED_SECONDS
            if epoch == self._epoch:
                self._standing.put(token.tenant_id, standing, standing[1])
        of_tenant, until = standing
        caller = Caller(
            token.tenant_id,
            token.key_id,
            token.scopes,
            token.groups,
            tenant_limits=of_tenant.limits,
            tenant_budget=of_tenant.budget,
            log_content=of_tenant.log_content,
            semantic_cache=of_tenant.semantic_cache,
            isolation=of_tenant.isolation,
        )
        if epoch == self._epoch:
            self._verified.put(digest, caller, min(until, now + token.expires_at - time.time()))
        return caller
