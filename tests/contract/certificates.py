"""Certificates for tests: a private authority, and what it signs for a loopback address."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Authority:
    """An authority that nobody trusts of their own accord."""

    name: x509.Name
    key: ec.EllipticCurvePrivateKey
    pem: bytes

    @classmethod
    def made(cls, name: str = "Tests") -> "Authority":
        key, called = ec.generate_private_key(ec.SECP256R1()), _name(name)
        can_sign = x509.BasicConstraints(ca=True, path_length=None)
        made = _certificate(called, key).add_extension(can_sign, critical=True)
        signed = made.issuer_name(called).sign(key, hashes.SHA256())
        return cls(called, key, signed.public_bytes(Encoding.PEM))

    def certify(self, address: str, *, days: int = 1) -> tuple[bytes, bytes]:
        """A key, and a certificate for *address* that ends in so many days."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))])
        made = _certificate(_name(address), key, days).add_extension(names, critical=False)
        signed = made.issuer_name(self.name).sign(self.key, hashes.SHA256())
        plain = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return plain, signed.public_bytes(Encoding.PEM)


def _name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _certificate(
    name: x509.Name, key: ec.EllipticCurvePrivateKey, days: int = 1
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=9))
        .not_valid_after(now + timedelta(days=days))
    )
