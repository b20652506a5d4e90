"""Keys that verify tokens, each with the algorithms that its kind allows.

The algorithms follow from the key, never from a token: a public key can't be
taken for a shared secret, nor `none` for an algorithm. (RFC 8725, 3.1 and 3.2.)
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from jwt.algorithms import HMACAlgorithm

PublicKey = RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey

_RSA = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
_BY_CURVE = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}
PUBLIC_ALGORITHMS = _RSA | {*_BY_CURVE.values(), "EdDSA"}
# The least length of a secret is that of the hash. (RFC 7518, 3.2.)
SECRET_BYTES = {"HS256": 32, "HS384": 48, "HS512": 64}
MINIMUM_RSA_BITS = 2048


class UnusableKey(ValueError):
    """The key can't verify tokens, or not by the algorithms wanted; the message says why."""


@dataclass(frozen=True, slots=True)
class VerifyingKey:
    """A key, and the algorithms by which it may verify."""

    key: PublicKey | bytes
    algorithms: frozenset[str]


class KeySource(Protocol):
    """Where a token's key comes from: one that is set, or those that an issuer publishes."""

    async def find(self, key_id: str | None, algorithm: str) -> VerifyingKey | None:
        """The key of that id which may verify by *algorithm*; None: there is none.

        Raises:
            Unavailable: the keys are not known, and can't be had now.
        """
        ...

    async def close(self) -> None: ...


class FixedKey:
    """The one key that is set; it has no id."""

    def __init__(self, key: VerifyingKey) -> None:
        self._key = key

    async def find(self, key_id: str | None, algorithm: str) -> VerifyingKey | None:
        return self._key if algorithm in self._key.algorithms else None

    async def close(self) -> None:
        pass


def from_secret(secret: str, wanted: Collection[str] = ()) -> VerifyingKey:
    """A shared secret; *wanted*: algorithms, HS256 if none are named.

    Raises:
        UnusableKey: it is too short or simple, or the algorithms are not for secrets.
    """
    algorithms = _narrowed(frozenset(SECRET_BYTES), wanted or {"HS256"}, "a shared secret")
    key = secret.encode()
    least = max(SECRET_BYTES[each] for each in algorithms)
    if len(key) < least:
        raise UnusableKey(f"the secret has {len(key)} bytes and needs at least {least}")
    if len(set(key)) < 10:
        raise UnusableKey("the secret repeats a few characters")
    try:
        HMACAlgorithm(HMACAlgorithm.SHA256).prepare_key(key)
    except jwt.InvalidKeyError:
        raise UnusableKey("the secret is a public key: it would be no secret") from None
    return VerifyingKey(key, algorithms)


def from_pem(pem: str, wanted: Collection[str] = ()) -> VerifyingKey:
    """A public key in PEM; *wanted*: algorithms, all that its kind has if none are named.

    Raises:
        UnusableKey: it is no public key of a supported kind, too weak, or not for *wanted*.
    """
    try:
        key = load_pem_public_key(pem.encode())
    except Exception:  # noqa: BLE001 - the library raises many kinds, and its text may quote a key
        raise UnusableKey("this is not a public key in PEM (BEGIN PUBLIC KEY)") from None
    return _of_public_key(key, wanted)


def from_jwk(jwk: Mapping[str, Any], wanted: Collection[str] = ()) -> VerifyingKey:
    """A key of a published set, for the algorithm that it names, if it names one.

    Raises:
        UnusableKey: it is a secret or private key, not for signatures, unsupported or too weak.
    """
    if jwk.get("use", "sig") != "sig" or "verify" not in jwk.get("key_ops", ["verify"]):
        raise UnusableKey("the key is not for signatures")
    try:
        key = jwt.PyJWK(dict(jwk)).key
    except Exception as error:  # noqa: BLE001 - one odd key must not take the set down
        raise UnusableKey(type(error).__name__) from None
    found = _of_public_key(key)
    named = {jwk["alg"]} if "alg" in jwk else found.algorithms
    left = found.algorithms & named & frozenset(wanted or PUBLIC_ALGORITHMS)
    if not left:
        raise UnusableKey("the key is for other algorithms")
    return VerifyingKey(found.key, left)


def check_public(wanted: Collection[str]) -> None:
    """Raises `UnusableKey` for an algorithm that no published key may have."""
    _narrowed(PUBLIC_ALGORITHMS, wanted, "published keys")


def _of_public_key(key: object, wanted: Collection[str] = ()) -> VerifyingKey:
    if isinstance(key, RSAPublicKey):
        if key.key_size < MINIMUM_RSA_BITS:
            raise UnusableKey(f"the RSA key has fewer than {MINIMUM_RSA_BITS} bits")
        return VerifyingKey(key, _narrowed(_RSA, wanted, "an RSA key"))
    if isinstance(key, EllipticCurvePublicKey) and key.curve.name in _BY_CURVE:
        allowed = frozenset({_BY_CURVE[key.curve.name]})
        return VerifyingKey(key, _narrowed(allowed, wanted, f"a {key.curve.name} key"))
    if isinstance(key, Ed25519PublicKey):
        return VerifyingKey(key, _narrowed(frozenset({"EdDSA"}), wanted, "an Ed25519 key"))
    raise UnusableKey("a public key is RSA, P-256, P-384, P-521 or Ed25519")


def _narrowed(allowed: frozenset[str], wanted: Collection[str], kind: str) -> frozenset[str]:
    if misfits := sorted(set(wanted) - allowed):
        raise UnusableKey(f"{', '.join(misfits)} is not an algorithm for {kind}")
    return frozenset(wanted) or allowed
