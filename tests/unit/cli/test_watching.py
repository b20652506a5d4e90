import os
from pathlib import Path

from carrel.cli.watching import Changes


def names(changes: Changes, folder: Path) -> list[str]:
    found = changes.look([folder])
    for upload in found:
        changes.uploaded(upload)
    return [upload.path.name for upload in found]


def test_a_file_is_taken_once_it_stays_the_same_and_again_when_it_changes(tmp_path: Path):
    changes = Changes()
    note = tmp_path / "note.md"
    note.write_text("first")
    assert names(changes, tmp_path) == []  # it may still be being written
    assert names(changes, tmp_path) == ["note.md"]
    assert names(changes, tmp_path) == []
    note.write_text("second and longer")
    assert names(changes, tmp_path) == []
    note.write_text("still being written, and longer")
    assert names(changes, tmp_path) == []
    (tmp_path / "other.md").write_text("new")
    assert names(changes, tmp_path) == ["note.md"]
    assert names(changes, tmp_path) == ["other.md"]


def test_a_change_of_the_date_alone_is_a_change_and_a_file_that_is_gone_is_none(tmp_path: Path):
    changes = Changes()
    note = tmp_path / "note.md"
    note.write_text("first")
    names(changes, tmp_path)
    assert names(changes, tmp_path) == ["note.md"]
    os.utime(note, ns=(1, 1))
    names(changes, tmp_path)
    assert names(changes, tmp_path) == ["note.md"]
    note.unlink()
    assert names(changes, tmp_path) == []
