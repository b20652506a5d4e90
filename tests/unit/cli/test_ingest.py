import json

import pytest
from tests.unit.cli.fake import refusal


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "docs"
    root.mkdir()
    for number in range(20):
        (root / f"{number:02}.txt").write_text(f"text {number}")
    (root / "logo.png").write_bytes(b"PNG")
    return root


def test_a_folder_is_uploaded_until_it_is_ready(carrel, fake, folder):
    result = carrel("ingest", folder)
    assert result.status == 0
    assert "20  ready  60 chunks" in result.out
    assert "skipped 1 of unsupported types (.png)" in result.out
    documents = fake.documents["ten_1"]
    assert set(documents) == {f"docs/{number:02}.txt" for number in range(20)}
    assert fake.contents["ten_1", "docs/07.txt"] == b"text 7"


def test_repeating_it_changes_nothing_but_what_changed(carrel, fake, folder):
    carrel("ingest", folder)
    (folder / "03.txt").write_text("another text")
    result = carrel("ingest", folder)
    assert result.status == 0
    assert " 1  ready" in result.out
    assert "19  unchanged" in result.out
    assert fake.documents["ten_1"]["docs/03.txt"]["version"] == 2


def test_each_failure_is_listed_with_its_reason(carrel, folder):
    (folder / "03.txt").write_text("poison")
    result = carrel("ingest", folder)
    assert result.status == 1
    assert "19  ready" in result.out
    assert "failed\tdocs/03.txt\tthere is poison in it\n" in result.out


def test_a_refused_file_does_not_stop_the_others(carrel, fake, folder):
    fake.refusals.append(refusal(415, "unsupported_media_type", "it is no text"))
    result = carrel("ingest", folder)
    assert result.status == 1
    assert "19  ready" in result.out
    assert "it is no text" in result.out


def test_a_file_that_cannot_be_read_fails_alone(carrel, folder):
    (folder / "dangling.txt").symlink_to(folder / "nowhere")
    result = carrel("ingest", folder)
    assert result.status == 1
    assert "20  ready" in result.out
    assert "failed\tdocs/dangling.txt\tcan't be read: No such file or directory\n" in result.out


@pytest.mark.parametrize(("status", "code"), [(401, "invalid_api_key"), (507, "storage_full")])
def test_what_every_file_would_meet_ends_all(carrel, fake, folder, status, code):
    fake.refusals.append(refusal(status, code))
    result = carrel("ingest", folder)
    assert result.status == 1
    assert len(result.err.splitlines()) == 1
    assert "ready" not in result.out


def test_a_busy_server_is_obeyed(carrel, fake, folder):
    for _ in range(10):
        fake.refusals.append(refusal(429, "rate_limit_exceeded", Retry_After="0"))
    assert "20  ready" in carrel("ingest", folder).out


def test_uploads_are_concurrent_but_bounded(carrel, fake, folder):
    carrel("ingest", folder)
    assert 1 < fake.most_uploading <= 8


def test_no_wait_ends_with_the_last_upload(carrel, fake, folder):
    fake.polls_before_ready = 10**9
    result = carrel("ingest", folder, "--no-wait")
    assert result.status == 0
    assert "20  accepted" in result.out
    assert {method for method, _, _ in fake.requests} == {"POST"}


def test_metadata_goes_with_each_document(carrel, fake, folder):
    carrel("ingest", folder / "01.txt", "--metadata", "year=2024", "--metadata", "team=legal")
    assert fake.documents["ten_1"]["01.txt"]["metadata"] == {"year": 2024, "team": "legal"}


def test_names_beyond_ascii_arrive_as_they_are(carrel, fake, tmp_path):
    (tmp_path / 'résumé "final" #1.txt').write_text("text")
    assert carrel("ingest", tmp_path / 'résumé "final" #1.txt').status == 0
    assert 'résumé "final" #1.txt' in fake.documents["ten_1"]


def test_a_folder_with_nothing_to_ingest_says_why(carrel, fake, tmp_path):
    (tmp_path / "logo.png").write_bytes(b"PNG")
    result = carrel("ingest", tmp_path)
    assert result.status == 1
    assert "1 of unsupported types (.png)" in result.err
    assert fake.requests == []


def test_json_lists_what_became_of_each_file(carrel, folder):
    (folder / "03.txt").write_text("poison")
    listed = json.loads(carrel("ingest", folder, "--json").out)
    assert listed[3] == {
        "id": "docs/03.txt",
        "path": "docs/03.txt",
        "status": "failed",
        "chunks": 0,
        "reason": "there is poison in it",
    }
    assert listed[4]["status"] == "ready"
