"""A key's secret: `crl_`, 256 random bits and a checksum; only a hash is ever stored.

The checksum lets a mistyped or truncated key be refused without a look into the
database, and lets secret scanners recognise a leaked one. A fast hash is enough,
for a secret of 256 random bits cannot be guessed; what is looked up and compared is
the hash, so the time that takes says nothing of the secret.
"""

import hashlib
import secrets
import zlib

MARK = "crl_"
SHOWN_CHARACTERS = 12
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SECRET_LENGTH = 43  # 62**43 > 2**256
_CHECKSUM_LENGTH = 6  # 62**6 > 2**32


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
