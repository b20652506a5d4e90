import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from carrel.vectors.edge.folder import Folder, FolderBusy, FolderUnclear


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    (tmp_path / "vectors").mkdir()
    return Folder(tmp_path / "vectors")


def build(folder: Folder) -> Path:
    partial = folder.new_partial()
    partial.mkdir()
    return folder.complete(partial)


def test_a_new_folder_has_no_shard(folder: Folder) -> None:
    assert folder.current() is None


def test_the_current_shard_is_the_one_last_switched_to(folder: Folder) -> None:
    first = build(folder)
    folder.switch_to(first)
    second = build(folder)
    assert folder.current() == first
    folder.switch_to(second)
    assert folder.current() == second
    assert Folder(folder.path).current() == second


def test_names_are_not_used_twice(folder: Folder) -> None:
    assert build(folder).name == "shard-000001"
    assert build(folder).name == "shard-000002"


def crash_while_building(folder: Folder) -> None:
    folder.new_partial().mkdir()


def crash_before_switching(folder: Folder) -> None:
    build(folder)


def crash_while_switching(folder: Folder) -> None:
    build(folder)
    (folder.path / "CURRENT.partial").write_text("shard-0")


def crash_before_removing(folder: Folder) -> None:
    crash_while_building(folder)
    build(folder)


@pytest.mark.parametrize(
    "crash",
    [crash_while_building, crash_before_switching, crash_while_switching, crash_before_removing],
)
def test_a_crash_leaves_the_old_shard_and_leftovers_that_go(
    folder: Folder, crash: Callable[[Folder], None]
) -> None:
    shard = build(folder)
    folder.switch_to(shard)
    crash(folder)
    restarted = Folder(folder.path)
    assert restarted.current() == shard
    restarted.remove_leftovers(keep=shard)
    assert list(folder.path.glob("shard-*")) == [shard]


def test_a_crash_before_the_first_switch_loses_nothing(folder: Folder) -> None:
    shard = build(folder)
    assert folder.current() == shard


def test_without_current_nothing_is_guessed(folder: Folder) -> None:
    build(folder)
    build(folder)
    with pytest.raises(FolderUnclear, match="CURRENT is missing"):
        folder.current()


@pytest.mark.parametrize("name", ["shard-000009", "", "..", "/"])
def test_current_must_name_a_shard(folder: Folder, name: str) -> None:
    build(folder)
    (folder.path / "CURRENT").write_text(name)
    with pytest.raises(FolderUnclear, match="is not there"):
        folder.current()


def test_what_is_not_a_shard_is_left_alone(folder: Folder) -> None:
    shard = build(folder)
    (folder.path / "shard-000001.backup").mkdir()
    folder.remove_leftovers(keep=shard)
    assert folder.current() == shard
    assert (folder.path / "shard-000001.backup").is_dir()


def test_one_engine_at_a_time_has_a_folder(tmp_path: Path) -> None:
    first, second = Folder(tmp_path / "new"), Folder(tmp_path / "new")
    first.acquire()
    with pytest.raises(FolderBusy):
        second.acquire(wait_seconds=0)
    first.release()
    second.acquire(wait_seconds=0)
    second.release()


def test_a_folder_is_its_owners_alone(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "new")
    folder.acquire()
    folder.release()
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700
