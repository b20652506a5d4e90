"""The gRPC client of a Qdrant server, set up for a service that must not hang.

Only gRPC is spoken. A dead connection is noticed within half a minute without
traffic, and a server that comes back is found again within two seconds.
"""

import json
import math
import warnings

from qdrant_client import AsyncQdrantClient

GRPC_PORT = 6334
CONNECTIONS = 4

# Reads may be repeated at no harm: one lost with its node is sent again, to another address of
# the same name where there is one. Writes are repeated by whoever asked for them.
_RETRIED = {
    "qdrant.Points": ("QueryBatch", "Scroll", "Count"),
    "qdrant.Collections": ("Get", "CollectionExists"),
    "qdrant.Qdrant": ("HealthCheck",),
}
_SERVICE_CONFIG: dict[str, object] = {
    "loadBalancingConfig": [{"round_robin": {}}],
    "methodConfig": [
        {
            "name": [
                {"service": service, "method": method}
                for service, methods in _RETRIED.items()
                for method in methods
            ],
            "retryPolicy": {
                "maxAttempts": 3,
                "initialBackoff": "0.05s",
                "maxBackoff": "0.2s",
                "backoffMultiplier": 2,
                # A server that is going down cancels what it has in hand.
                "retryableStatusCodes": ["UNAVAILABLE", "CANCELLED"],
            },
        }
    ],
}


def connect(
    url: str,
    *,
    api_key: str | None,
    grpc_port: int,
    certificate_authority: bytes | None,
    timeout_seconds: float,
) -> AsyncQdrantClient:
    """A client of the server at *url*; connections are opened when they are first needed.

    A cluster is a name with the address of each node: requests go round those that answer.

    The scheme says whether TLS is used: `https` trusts *certificate_authority* (PEM), or the
    usual authorities. *timeout_seconds* bounds every request, rounded up to a whole second.

    Raises:
        ValueError: not a URL of scheme `http` or `https`.
    """
    with warnings.catch_warnings():
        # An API key in plain text is `carrel doctor`'s to mention: private networks do that.
        warnings.filterwarnings("ignore", message="Api key is used with an insecure connection")
        return AsyncQdrantClient(
            url=url,
            api_key=api_key,
            prefer_grpc=True,
            grpc_port=grpc_port,
            grpc_options=channel_options(certificate_authority),
            pool_size=CONNECTIONS,
            timeout=math.ceil(timeout_seconds),
            # Its check asks over HTTP, in a thread, and only warns. `collection` looks itself.
            check_compatibility=False,
        )


def channel_options(certificate_authority: bytes | None) -> dict[str, object]:
    """How its connections behave: all addresses of a name are used, and a lost one is retried."""
    options: dict[str, object] = {
        "grpc.service_config": json.dumps(_SERVICE_CONFIG),
        # The default grows to two minutes: so long would a restarted server be taken for down.
        "grpc.initial_reconnect_backoff_ms": 100,
        "grpc.min_reconnect_backoff_ms": 1_000,
        "grpc.max_reconnect_backoff_ms": 2_000,
        "grpc.keepalive_time_ms": 20_000,
        "grpc.keepalive_timeout_ms": 5_000,
        # Otherwise all channels to one address share a single connection.
        "grpc.use_local_subchannel_pool": 1,
    }
    if certificate_authority is not None:
        options["root_certificates"] = certificate_authority
    return options
