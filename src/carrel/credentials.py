"""From settings to the authenticator: API keys, and tokens where an issuer is set."""

from typing import TYPE_CHECKING

from carrel.database.engine import Database
from carrel.settings import JwtSettings, Settings
from carrel.tenancy.authenticate import Authenticator
from carrel.tenancy.changes import Shared
from carrel.tenancy.last_use import LastUse

if TYPE_CHECKING:  # its library takes 0.2 s to import, which only its users should pay
    from carrel.tenancy.jwt import TokenVerifier


def open_authenticator(
    settings: Settings, database: Database, last_use: LastUse, shared: Shared | None
) -> Authenticator:
    """Verifies credentials; *shared* is the deployment's Redis, if it has one."""
    admin_key = settings.admin_key.get_secret_value() if settings.admin_key else None
    return Authenticator(
        database, admin_key, tokens=_tokens(settings.jwt), shared=shared, last_use=last_use
    )


def _tokens(chosen: JwtSettings) -> "TokenVerifier | None":
    if chosen.issuer is None or chosen.audience is None:
        return None
    from carrel.tenancy.jwks import PublishedKeys
    from carrel.tenancy.jwt import Claims, TokenVerifier
    from carrel.tenancy.jwt_keys import FixedKey

    key = chosen.fixed_key()
    if key is None:
        assert chosen.jwks_url is not None
        keys = PublishedKeys(chosen.jwks_url, chosen.algorithm_names)
    else:
        keys = FixedKey(key)
    return TokenVerifier(
        keys,
        issuer=chosen.issuer,
        audience=chosen.audience,
        leeway_seconds=chosen.leeway_seconds,
        claims=Claims(chosen.tenant_claim, chosen.scopes_claim, chosen.groups_claim),
    )
