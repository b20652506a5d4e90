"""Originals in a folder and in a bucket keep the same promises."""

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from obstore.exceptions import GenericError
from tests.services import Service

from carrel.domain.errors import InvalidRequest, StorageFull, TooLarge, Unavailable
from carrel.domain.ids import TenantId
from carrel.ingestion.originals import bucket as buckets
from carrel.ingestion.originals.bucket import Bucket, BucketOriginals
from carrel.ingestion.originals.folder import FolderOriginals
from carrel.ingestion.originals.store import OriginalMissing, Originals

pytestmark = pytest.mark.usefixtures("unblocked_loop")
ACME, GLOBEX = TenantId("ten_acme"), TenantId("ten_acme2")  # one's id begins the other's
MOST = 7_000_000


def in_bucket(storage: Service, bucket: str, spool: Path) -> BucketOriginals:
    place = Bucket(bucket, "some/prefix", storage.url, "us-east-1", "key", "secret")
    return BucketOriginals(place, spool, max_bytes=MOST)


@pytest.fixture(params=["folder", "bucket"])
def originals(request: pytest.FixtureRequest, tmp_path: Path) -> Originals:
    if request.param == "folder":
        return FolderOriginals(tmp_path / "originals", max_bytes=MOST)
    storage, bucket = (request.getfixturevalue(name) for name in ("storage_service", "new_bucket"))
    return in_bucket(storage, bucket, tmp_path / "spool")


async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def cut_short() -> AsyncIterator[bytes]:
    yield b"half of"
    raise ConnectionResetError


async def test_a_file_comes_back_as_it_was(originals: Originals):
    parts = [b"%PDF-", bytes(range(256)) * 24_000]  # more than one part of an upload
    kept = await originals.store(ACME, pieces(*parts))
    whole = b"".join(parts)
    assert (kept.size, kept.sha256) == (len(whole), hashlib.sha256(whole).hexdigest())
    assert kept.head == whole[:65_536]
    async with originals.local(ACME, kept.name) as path:
        assert path.read_bytes() == whole


@pytest.mark.parametrize(
    ("sent", "error"),
    [
        (pieces, InvalidRequest),
        (lambda: pieces(b"x" * MOST, b"x"), TooLarge),
        (cut_short, ConnectionResetError),
    ],
)
async def test_a_file_that_is_refused_or_cut_short_leaves_nothing(
    originals: Originals, tmp_path: Path, sent, error: type[Exception]
):
    with pytest.raises(error):
        await originals.store(ACME, sent())
    assert await originals.names(ACME) == set()
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


async def test_files_are_their_tenants_alone(originals: Originals):
    mine = await originals.store(ACME, pieces(b"mine"))
    theirs = await originals.store(GLOBEX, pieces(b"theirs"))
    assert await originals.names(ACME) == {mine.name}
    assert await originals.names(GLOBEX) == {theirs.name}
    with pytest.raises(OriginalMissing):
        async with originals.local(ACME, theirs.name):
            pass
    await originals.remove(ACME, theirs.name)
    await originals.remove_all(ACME)
    assert await originals.names(ACME) == set()
    assert await originals.names(GLOBEX) == {theirs.name}
    assert GLOBEX in await originals.tenants()


async def test_removing_what_is_gone_is_no_error(originals: Originals):
    kept = await originals.store(ACME, pieces(b"text"))
    for _ in range(2):
        await originals.remove(ACME, kept.name)
        await originals.remove_all(ACME)
    assert await originals.names(ACME) == set()


async def test_young_files_are_told_from_old_ones(originals: Originals):
    kept = await originals.store(ACME, pieces(b"text"))
    assert await originals.names(ACME, older_than_seconds=3600) == set()
    assert await originals.names(ACME) == {kept.name}


async def test_what_is_fetched_from_a_bucket_does_not_stay(
    storage_service: Service, new_bucket: str, tmp_path: Path
):
    originals = in_bucket(storage_service, new_bucket, tmp_path / "spool")
    kept = await originals.store(ACME, pieces(b"text"))
    async with originals.local(ACME, kept.name) as path:
        assert path.parent == tmp_path / "spool"
    assert list((tmp_path / "spool").iterdir()) == []


async def test_leftovers_of_killed_processes_are_removed(
    storage_service: Service, new_bucket: str, tmp_path: Path
):
    originals = in_bucket(storage_service, new_bucket, tmp_path)
    (tmp_path / "left").write_bytes(b"half of")
    await originals.remove_leftovers(older_than_seconds=3600)
    assert (tmp_path / "left").exists()
    await originals.remove_leftovers(older_than_seconds=-1)
    assert not (tmp_path / "left").exists()


async def test_a_storage_that_does_not_answer_is_unavailable_and_says_nothing_of_itself(
    new_bucket: str, tmp_path: Path
):
    nowhere = Bucket(new_bucket, "", "http://127.0.0.1:1", "us-east-1", "key", "very-secret")
    originals = BucketOriginals(nowhere, tmp_path, max_bytes=MOST)
    with pytest.raises(Unavailable) as caught:
        await originals.store(ACME, pieces(b"text"))
    assert "127.0.0.1" not in caught.value.message
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(Unavailable):
        await originals.remove_all(ACME)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ("507 Insufficient Storage", StorageFull),
        ("503 Busy: <Error><Code>XMinioStorageFull</Code></Error>", StorageFull),
        ("503 Busy", Unavailable),
    ],
)
def test_a_full_bucket_is_told_by_its_answer_and_not_by_its_address(
    answer: str, kind: type[Exception]
):
    said = f"Error performing PUT http://127.0.0.1:50741/b/StorageFull - status code: {answer}"
    with pytest.raises(kind), buckets._translated():
        raise GenericError(said)


async def test_a_bucket_that_is_not_there_is_unavailable(storage_service: Service, tmp_path: Path):
    originals = in_bucket(storage_service, "no-such-bucket", tmp_path)
    with pytest.raises(Unavailable):
        await originals.store(ACME, pieces(b"text"))
