import io
import zipfile
from pathlib import Path

import pytest

from carrel.ingestion.parse.archive import check_archive
from carrel.ingestion.parse.caps import Caps
from carrel.ingestion.parse.failure import ParseFailed
from carrel.ingestion.parse.media_types import DOCX, PPTX

SAMPLES = Path(__file__).parents[3] / "samples"


def archive(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as writer:
        for name, data in members.items():
            writer.writestr(name, data)
    return out.getvalue()


def test_an_ordinary_document_passes():
    check_archive((SAMPLES / "policy.docx").read_bytes(), DOCX, Caps())


def test_a_container_of_another_kind_is_refused():
    with pytest.raises(ParseFailed, match="no PowerPoint presentation"):
        check_archive((SAMPLES / "policy.docx").read_bytes(), PPTX, Caps())


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.99])
def test_an_archive_cut_short_is_refused(keep):
    whole = (SAMPLES / "policy.docx").read_bytes()
    with pytest.raises(ParseFailed, match="damaged or cut short"):
        check_archive(whole[: int(len(whole) * keep)], DOCX, Caps())


def test_a_bomb_is_refused_by_the_sizes_that_it_declares():
    bomb = archive({"word/document.xml": bytes(60_000_000)})
    with pytest.raises(ParseFailed, match="too large once unpacked: 60,000,000 bytes"):
        check_archive(bomb, DOCX, Caps())


def test_the_largest_unpacked_size_holds_whatever_the_ratio():
    honest = archive({"word/document.xml": bytes(range(256)) * 1000})
    with pytest.raises(ParseFailed, match="too large"):
        check_archive(honest, DOCX, Caps(unpacked_bytes=200_000))


def test_an_archive_of_many_members_is_refused():
    many = archive({f"word/{n}.xml": b"" for n in range(30)})
    with pytest.raises(ParseFailed, match="too large"):
        check_archive(many, DOCX, Caps(archive_members=20))


def test_an_encrypted_archive_is_refused():
    data = bytearray(archive({"word/document.xml": b"x"}))
    data[data.index(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(ParseFailed, match="encrypted"):
        check_archive(bytes(data), DOCX, Caps())
