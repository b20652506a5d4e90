"""Qdrant servers for single tenants: from the settings to a store, and what doctor says of them."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from tests.contract.certificates import Authority
from tests.contract.qdrant_wire import WireQdrant, listening
from tests.contract.sample_points import A, at_angle, point

from carrel.cli import doctor
from carrel.domain.errors import Unavailable
from carrel.domain.ids import TenantId
from carrel.resources.vectors import open_dedicated
from carrel.settings import Settings, load_settings
from carrel.spaces import spaces
from carrel.vectors.store import Point

ADDRESS = "127.0.0.1"
KEY = "key-of-eu-1"
OURS = TenantId("ten_ours")


@dataclass
class Park:
    """Two servers, and settings that name them: eu-1 has a key and a certificate of its own."""

    shared: WireQdrant
    eu_1: WireQdrant
    settings: Settings


@pytest.fixture
async def park(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Park]:
    authority, shared, eu_1 = Authority.made(), WireQdrant(), WireQdrant()
    certificate = tmp_path / "ca.pem"
    certificate.write_bytes(authority.pem)
    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(listening(shared))
        own_port = await stack.enter_async_context(
            listening(eu_1, certificate=authority.certify(ADDRESS), api_key=KEY)
        )
        right = {"url": f"https://{ADDRESS}", "api_key": KEY, "grpc_port": own_port}
        servers = {
            "eu-1": {**right, "ca_file": str(certificate)},
            "no-ca": right,
            "no-key": {**right, "ca_file": str(certificate), "api_key": None},
        }
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("CARREL_QDRANT_URL", f"http://{ADDRESS}")
        monkeypatch.setenv("CARREL_QDRANT_GRPC_PORT", str(port))
        monkeypatch.setenv("CARREL_QDRANT_COLLECTION", "prod")
        monkeypatch.setenv("CARREL_QDRANT_SERVERS", json.dumps(servers))
        yield Park(shared, eu_1, load_settings())


async def test_a_dedicated_server_is_opened_with_its_own_address_key_and_authority(
    park: Park,
) -> None:
    store = open_dedicated(park.settings, spaces(park.settings)[0], "eu-1")
    ours = store.tenant(OURS)
    await ours.stage([wide(point(A))])
    await ours.publish(A, 1)
    assert await ours.count() == 1
    await store.close()
    assert {message.collection_name for message in park.eu_1.messages} == {"prod"}
    assert park.shared.messages == []


async def test_a_server_that_is_not_named_is_not_opened(park: Park) -> None:
    with pytest.raises(Unavailable, match="not configured"):
        open_dedicated(park.settings, spaces(park.settings)[0], "eu-2")


@pytest.mark.parametrize(("name", "says"), [("no-ca", "not of an authority"), ("no-key", "key")])
async def test_nothing_of_the_shared_server_is_used_for_a_dedicated_one(
    park: Park, name: str, says: str
) -> None:
    store = open_dedicated(park.settings, spaces(park.settings)[0], name)
    with pytest.raises(Unavailable, match=says):
        await store.ping()
    await store.close()


async def test_doctor_looks_at_every_server_and_says_what_is_wrong(park: Park) -> None:
    findings = await doctor._examine(park.settings)
    found = {name: each for name, each in findings.items() if name.startswith("vectors")}
    assert {name: each.verdict for name, each in found.items()} == {
        "vectors": "note",
        "vectors, eu-1": "note",
        "vectors, no-ca": "bad",
        "vectors, no-key": "bad",
    }
    assert "no collection 'prod' yet" in found["vectors, eu-1"].state
    assert "certificate is not of an authority" in found["vectors, no-ca"].state
    assert found["vectors, no-ca"].advice == "check no-ca in CARREL_QDRANT_SERVERS"
    assert "does not accept the API key" in found["vectors, no-key"].state
    assert park.eu_1.messages == park.shared.messages == []  # looking changes nothing


def wide(narrow: Point) -> Point:
    """The point with a vector of the size that the default embedder makes."""
    return replace(narrow, dense=np.resize(at_angle(0), 256))
