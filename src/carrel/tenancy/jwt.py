"""Signed tokens (JWT) of one issuer: from a token to the tenant, scopes and groups it names.

What a token's header says is used to find a key among those that are configured,
and for nothing else: keys and addresses of keys in it are not looked at. A token
can't make an administrator. The rules are those of RFC 8725.
"""

import hashlib
from dataclasses import dataclass
from typing import Any, cast

import jwt

from carrel.domain.errors import InvalidApiKey
from carrel.domain.filter import is_text
from carrel.domain.ids import KeyId, TenantId
from carrel.domain.key import TENANT_SCOPES, Scope
from carrel.tenancy.jwt_keys import KeySource

MAX_CHARACTERS = 8_192
MAX_GROUPS = 100
MAX_NAME = 200
MAX_SUBJECT = 255  # OpenID Connect Core, 2
_FAR_FUTURE = 2**40
_REQUIRED = ["exp", "iss", "aud", "sub"]
_REASONS: dict[type[Exception], str] = {
    jwt.ExpiredSignatureError: "it has expired",
    jwt.ImmatureSignatureError: "it is not valid yet",
    jwt.InvalidAudienceError: "it is for another audience",
    jwt.InvalidIssuerError: "it is of another issuer",
    jwt.MissingRequiredClaimError: "it needs the claims exp, iss, aud and sub",
    jwt.InvalidSignatureError: "its signature is wrong",
}


@dataclass(frozen=True, slots=True)
class Claims:
    """The claims that are read, by their names in a token."""

    tenant: str = "tenant_id"
    scopes: str = "scope"
    groups: str = "groups"


@dataclass(frozen=True, slots=True)
class Token:
    """What a verified token says, until *expires_at* (seconds since 1970).

    `key_id` is the same for all tokens of one subject.
    """

    tenant_id: TenantId
    key_id: KeyId
    scopes: frozenset[Scope]
    groups: tuple[str, ...]
    expires_at: float


class TokenVerifier:
    """Verifies tokens of *issuer* for *audience*, signed by a key of *keys*."""

    def __init__(
        self,
        keys: KeySource,
        *,
        issuer: str,
        audience: str,
        leeway_seconds: float,
        claims: Claims,
    ) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._leeway_seconds = leeway_seconds
        self._claims = claims

    async def verify(self, token: str) -> Token:
        """What *token* says.

        Raises:
            InvalidApiKey: it is not a token of the issuer for this audience, or not now.
            Unavailable: the issuer's keys can't be fetched.
        """
        payload = await self._payload(token)
        subject = _name(payload["sub"], MAX_SUBJECT)
        tenant_id = _name(payload.get(self._claims.tenant))
        if subject is None or tenant_id is None:
            raise InvalidApiKey(f"this token names no subject, or no {self._claims.tenant}")
        return Token(
            tenant_id=TenantId(tenant_id),
            key_id=_key_id(self._issuer, subject),
            scopes=_scopes(payload.get(self._claims.scopes)),
            groups=_groups(payload.get(self._claims.groups)),
            expires_at=min(int(payload["exp"]), _FAR_FUTURE) + self._leeway_seconds,
        )

    async def close(self) -> None:
        await self._keys.close()

    async def _payload(self, token: str) -> dict[str, Any]:
        if len(token) > MAX_CHARACTERS:
            raise InvalidApiKey(f"this token has more than {MAX_CHARACTERS:,} characters")
        try:
            header = jwt.get_unverified_header(token)
        except (jwt.PyJWTError, ValueError):
            raise InvalidApiKey("this is not a token") from None
        algorithm = header.get("alg")
        if not isinstance(algorithm, str) or "crit" in header:
            raise InvalidApiKey("this token is not valid: its header is not understood")
        key = await self._keys.find(header.get("kid"), algorithm)
        if key is None:
            raise InvalidApiKey("this token is not valid: no known key could have signed it")
        try:
            return jwt.decode(
                token,
                key.key,
                algorithms=sorted(key.algorithms),
                audience=self._audience,
                issuer=self._issuer,
                leeway=self._leeway_seconds,
                options={"require": _REQUIRED, "enforce_minimum_key_length": True},
            )
        except (jwt.PyJWTError, ValueError, OverflowError) as error:
            reason = _REASONS.get(type(error), "its claims are malformed")
            raise InvalidApiKey(f"this token is not valid: {reason}") from None


def _key_id(issuer: str, subject: str) -> KeyId:
    digest = hashlib.sha256(f"{issuer}\0{subject}".encode()).hexdigest()
    return KeyId(f"jwt_{digest[:32]}")


def _scopes(claim: object) -> frozenset[Scope]:
    """The tenant's scopes among those that *claim* names: a list, or words in a string."""
    named = claim.split() if isinstance(claim, str) else claim
    words = cast("list[object]", named) if isinstance(named, list) else []
    return frozenset(scope for scope in TENANT_SCOPES if scope in words)


def _groups(claim: object) -> tuple[str, ...]:
    # A malformed list is refused, not shortened: what is missing would be hard to find.
    if claim is None:
        return ()
    given = cast("list[object]", claim) if isinstance(claim, list) else []
    names = [name for each in given if (name := _name(each)) is not None]
    if not isinstance(claim, list) or len(names) < len(given) or len(names) > MAX_GROUPS:
        raise InvalidApiKey(
            f"this token's groups are not a list of at most {MAX_GROUPS} names"
            f" of 1 to {MAX_NAME} characters"
        )
    return tuple(dict.fromkeys(names))


def _name(value: object, longest: int = MAX_NAME) -> str | None:
    if isinstance(value, str) and 0 < len(value) <= longest and is_text(value):
        return value
    return None
