import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tests.issuer import SECRET, ec_key, jwk, pem, rsa_key

from carrel.tenancy.jwt_keys import UnusableKey, check_public, from_jwk, from_pem, from_secret

RSA = rsa_key()


@pytest.mark.parametrize(
    ("key", "algorithms"),
    [
        (RSA, {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}),
        (ec_key(), {"ES256"}),
        (ec.generate_private_key(ec.SECP384R1()), {"ES384"}),
        (ec.generate_private_key(ec.SECP521R1()), {"ES512"}),
        (ed25519.Ed25519PrivateKey.generate(), {"EdDSA"}),
    ],
)
def test_the_algorithms_are_those_of_the_keys_kind(key: object, algorithms: set[str]):
    assert from_pem(pem(key)).algorithms == algorithms


def test_algorithms_can_be_narrowed_and_not_widened():
    assert from_pem(pem(RSA), {"PS256"}).algorithms == {"PS256"}
    for algorithm in ("HS256", "none", "ES256", "RS257"):
        with pytest.raises(UnusableKey, match="is not an algorithm for an RSA key"):
            from_pem(pem(RSA), {algorithm})
    assert from_secret(SECRET * 2, {"HS512"}).algorithms == {"HS512"}
    for algorithm in ("RS256", "none"):
        with pytest.raises(UnusableKey, match="is not an algorithm for a shared secret"):
            from_secret(SECRET, {algorithm})
    with pytest.raises(UnusableKey, match="HS256 is not an algorithm for published keys"):
        check_public({"RS256", "HS256"})


def test_a_weak_key_is_refused():
    with pytest.raises(UnusableKey, match="fewer than 2048 bits"):
        from_pem(pem(rsa.generate_private_key(public_exponent=65537, key_size=1024)))
    with pytest.raises(UnusableKey, match="31 bytes and needs at least 32"):
        from_secret("0123456789abcdefghijklmnopqrstu")
    with pytest.raises(UnusableKey, match="repeats"):
        from_secret("abc" * 20)
    with pytest.raises(UnusableKey, match="needs at least 64"):
        from_secret(SECRET, {"HS512"})


def test_a_public_key_is_no_secret_and_a_private_key_is_not_public():
    with pytest.raises(UnusableKey, match="no secret"):
        from_secret(pem(RSA))
    private = RSA.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    with pytest.raises(UnusableKey, match="not a public key") as refused:
        from_pem(private)
    assert private[40:80] not in str(refused.value)


def _private_jwk() -> dict[str, object]:
    return jwt.algorithms.RSAAlgorithm.to_jwk(RSA, as_dict=True)


@pytest.mark.parametrize(
    "unusable",
    [
        {"kty": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA", "alg": "HS256"},
        {"kty": "none"},
        {},
        _private_jwk(),
        jwk(RSA, use="enc"),
        jwk(RSA, key_ops=["encrypt"]),
        jwk(RSA, alg="HS256"),
        jwk(RSA, alg="ES256"),
        jwk(RSA, alg="none"),
        jwk(RSA) | {"n": "AQAB"},
        jwk(RSA) | {"n": 7},
        jwk(ec_key()) | {"crv": "secp256k1"},
    ],
)
def test_a_published_key_that_is_not_for_tokens_is_not_used(unusable: dict[str, object]):
    with pytest.raises((UnusableKey, TypeError)):
        from_jwk(unusable)


def test_a_published_key_verifies_by_the_algorithm_that_it_names():
    assert from_jwk(jwk(RSA, alg="PS384")).algorithms == {"PS384"}
    assert from_jwk(jwk(RSA), {"RS256", "ES256"}).algorithms == {"RS256"}
    with pytest.raises(UnusableKey):
        from_jwk(jwk(RSA, alg="PS384"), {"RS256"})
