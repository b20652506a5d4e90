"""A token issuer: keys of its own, tokens of any kind, and a key set that it publishes."""

import base64
import contextlib
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

ISSUER = "https://login.example.test/"
AUDIENCE = "carrel"
SECRET = "pQ7-tests-only-shared-secret-v9Zk3mX1w"


def rsa_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def ec_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def pem(key: Any) -> str:
    """The public half of *key*."""
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def jwk(key: Any, key_id: str | None = None, **more: Any) -> dict[str, Any]:
    """The public half of *key*, as issuers publish it."""
    kind: Any = jwt.algorithms.ECAlgorithm if hasattr(key, "curve") else jwt.algorithms.RSAAlgorithm
    made = kind.to_jwk(key.public_key(), as_dict=True)
    return made | ({} if key_id is None else {"kid": key_id}) | more


def claims(tenant: str, /, **more: Any) -> dict[str, Any]:
    """What a good token of the tenant says; a claim given as None is left out."""
    now = int(time.time())
    said = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "user-1",
        "iat": now,
        "exp": now + 600,
        "tenant_id": tenant,
        "scope": "query search documents:read usage:read",
        **more,
    }
    return {name: value for name, value in said.items() if value is not None}


def raw_token(header: dict[str, Any], payload: dict[str, Any], signature: bytes = b"") -> str:
    """A token that no library would make."""
    parts = (json.dumps(header).encode(), json.dumps(payload).encode(), signature)
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


@dataclass
class KeySet:
    """What the issuer publishes, and how often it was asked."""

    url: str = ""
    keys: list[dict[str, Any]] = field(default_factory=list)
    status: int = 200
    body: bytes | None = None
    requests: int = 0


@contextlib.contextmanager
def published(keys: KeySet) -> Iterator[KeySet]:
    """*keys*, at `keys.url` while entered."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            keys.requests += 1
            body = json.dumps({"keys": keys.keys}).encode() if keys.body is None else keys.body
            self.send_response(keys.status)
            self.send_header("location", "http://127.0.0.1:1/elsewhere")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    keys.url = f"http://127.0.0.1:{server.server_address[1]}/jwks.json"
    try:
        yield keys
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
