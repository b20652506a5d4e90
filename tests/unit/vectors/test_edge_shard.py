"""The embedded shard itself: what it does with requests that no adapter would send."""

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.contract.sample_points import DIMENSIONS, EAST, point, words

from carrel.domain.ids import TenantId
from carrel.vectors import schema
from carrel.vectors.edge import wire
from carrel.vectors.edge.layout import ShardLayout, create_shard
from carrel.vectors.edge.shard import IncompatibleShard, Shard

LAYOUT = ShardLayout(DIMENSIONS)
OURS = TenantId("ours")
SEEN = [schema.EVERYONE]
THEIRS = TenantId("theirs")


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    create_shard(tmp_path / "shard", LAYOUT)
    return tmp_path / "shard"


@pytest.fixture
def shard(directory: Path) -> Iterator[Shard]:
    with closing(Shard(directory, LAYOUT)) as opened:
        yield opened


def staged(tenant_id: TenantId, text: str, **forged: object) -> wire.Point:
    stored = point("doc", text)
    return wire.Point(
        schema.chunk_id(OURS, stored.document_id, 1, 0),
        schema.to_payload(tenant_id, stored) | forged,
        EAST.tobytes(),
        stored.sparse.indices,
        stored.sparse.values,
    )


def write(shard: Shard, request: wire.Write) -> None:
    for _ in shard.write(request):
        pass


def texts(shard: Shard, tenant_id: TenantId) -> list[str]:
    terms = words("apple")
    request = wire.Search(
        tenant_id, wire.SHARED, SEEN, EAST.tobytes(), terms.indices, terms.values, 10, [], False
    )
    found = shard.search(request)
    ids = [point_id for point_id, _ in (*found.dense, *found.sparse)]
    fetched = (
        shard.fetch(wire.Fetch(tenant_id, wire.SHARED, SEEN, ids)) if ids else wire.Fetched({})
    )
    return [payload["text"] for payload in fetched.payloads.values()]


def test_an_id_of_another_tenant_does_not_overwrite_its_point(shard: Shard) -> None:
    write(shard, wire.Stage(OURS, wire.SHARED, [staged(OURS, "apple ours")]))
    write(shard, wire.Publish(OURS, wire.SHARED, "doc", 1, SEEN))
    write(shard, wire.Stage(THEIRS, wire.SHARED, [staged(THEIRS, "apple theirs")]))
    write(shard, wire.Publish(THEIRS, wire.SHARED, "doc", 1, SEEN))
    assert texts(shard, OURS) == ["apple ours"]
    assert texts(shard, THEIRS) == []


def test_a_point_belongs_to_the_tenant_of_its_request(shard: Shard) -> None:
    write(shard, wire.Stage(THEIRS, wire.SHARED, [staged(OURS, "apple")]))
    write(shard, wire.Publish(OURS, wire.SHARED, "doc", 1, SEEN))
    write(shard, wire.Publish(THEIRS, wire.SHARED, "doc", 1, SEEN))
    assert texts(shard, OURS) == []
    assert texts(shard, THEIRS) == ["apple"]


def test_no_point_is_born_visible(shard: Shard) -> None:
    write(
        shard, wire.Stage(OURS, wire.SHARED, [staged(OURS, "apple", **{schema.VISIBLE_TO: SEEN})])
    )
    assert texts(shard, OURS) == []


def test_deleted_points_are_counted_and_remembered(directory: Path) -> None:
    with closing(Shard(directory, LAYOUT)) as shard:
        write(shard, wire.Stage(OURS, wire.SHARED, [staged(OURS, "apple")]))
        write(shard, wire.Erase(OURS, wire.SHARED))
        assert shard.describe() == wire.Size(points=0, unindexed=0, dead=1, segments=1)
        shard.flush()
    with closing(Shard(directory, LAYOUT)) as again:
        assert again.describe().dead == 1


@pytest.mark.skipif(sys.platform != "linux", reason="reads the names of open files from /proc")
def test_what_is_published_survives_a_power_cut(shard: Shard, tmp_path: Path) -> None:
    """After one, segments may be as of the last flush; the log is what was synced."""
    shard.flush()
    after = tmp_path / "after"
    shutil.copytree(shard.directory, after)
    write(shard, wire.Stage(OURS, wire.SHARED, [staged(OURS, "apple")]))
    write(shard, wire.Publish(OURS, wire.SHARED, "doc", 1, SEEN))

    shutil.rmtree(after / "wal")
    (after / "wal").mkdir()
    for descriptor in shard.log_files():
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        if path.is_file():
            shutil.copy(path, after / "wal" / path.name)
        os.close(descriptor)

    with closing(Shard(after, LAYOUT)) as restored:
        assert texts(restored, OURS) == ["apple"]


def test_vectors_of_another_size_are_not_served(directory: Path) -> None:
    with pytest.raises(IncompatibleShard, match="not of 384 dimensions"):
        Shard(directory, ShardLayout(384))


def test_the_largest_tenant_is_known(shard: Shard) -> None:
    assert shard.largest_tenant() == 0
    write(shard, wire.Stage(OURS, wire.SHARED, [staged(OURS, "apple")]))
    assert shard.largest_tenant() == 1
