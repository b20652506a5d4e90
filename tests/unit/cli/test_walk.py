import unicodedata

import pytest

from carrel.cli.failure import Failure
from carrel.cli.walk import ID_LENGTH, document_id, walk


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "docs"
    (root / "policies").mkdir(parents=True)
    (root / ".git").mkdir()
    for name in ("b.txt", "a.MD", "policies/refunds.pdf", "logo.png", "Makefile", ".env"):
        (root / name).write_text(name)
    (root / ".git" / "config.txt").write_text("hidden")
    return root


def test_a_folder_is_searched_and_what_is_left_out_is_counted(folder):
    found = walk([folder])
    assert [upload.name for upload in found.uploads] == [
        "docs/a.MD",
        "docs/b.txt",
        "docs/policies/refunds.pdf",
    ]
    assert found.hidden == 2
    assert found.skipped() == "2 hidden and 2 of unsupported types (.png, no extension)"


def test_ids_are_the_same_from_wherever_a_folder_is_named(folder, monkeypatch):
    absolute = [upload.document_id for upload in walk([folder]).uploads]
    monkeypatch.chdir(folder)
    assert [upload.document_id for upload in walk([folder / "policies" / ".."]).uploads] == absolute


def test_a_file_that_is_named_is_taken_whatever_its_type(folder):
    assert [upload.document_id for upload in walk([folder / "logo.png"]).uploads] == ["logo.png"]


def test_the_same_file_named_twice_is_uploaded_once(folder):
    assert len(walk([folder, folder]).uploads) == 3


def test_two_files_that_would_become_one_document_are_refused(tmp_path):
    for parent in ("one", "two"):
        (tmp_path / parent / "docs").mkdir(parents=True)
        (tmp_path / parent / "docs" / "a.txt").write_text(parent)
    with pytest.raises(Failure, match="would both be the document") as refused:
        walk([tmp_path / "one" / "docs", tmp_path / "two" / "docs"])
    assert refused.value.exit_status == 2


def test_links_to_folders_are_not_followed(folder):
    (folder / "loop").symlink_to(folder, target_is_directory=True)
    assert len(walk([folder]).uploads) == 3


def test_a_composed_and_a_decomposed_name_are_one_document():
    name = "docs/résumé.pdf"
    assert document_id(unicodedata.normalize("NFD", name)) == document_id(name) == name


def test_a_long_or_unprintable_path_has_a_stable_id_of_its_own():
    long, other = "a/" * 150 + "x.txt", "a/" * 151 + "x.txt"
    assert len(document_id(long)) == ID_LENGTH
    assert document_id(long) != document_id(other)
    assert document_id("a\nb.txt").isprintable()
    assert document_id("a\nb.txt") != document_id("a\tb.txt")
