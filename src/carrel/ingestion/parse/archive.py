"""ZIP containers, looked at before anything in them is unpacked."""

from io import BytesIO
from zipfile import BadZipFile, ZipFile, ZipInfo

from carrel.ingestion.parse.caps import Caps
from carrel.ingestion.parse.failure import ParseFailed
from carrel.ingestion.parse.media_types import FORMATS, container_kind

_SMALL_BYTES = 10_000_000  # an archive that unpacks to less is no bomb, whatever its ratio
_ENCRYPTED = 0x1


def check_archive(data: bytes, media_type: str, caps: Caps) -> None:
    """Nothing, when *data* is a ZIP container of *media_type* whose contents are of a sane size.

    Sizes are those that the archive declares. One that lies is met by the memory cap.

    Raises:
        ParseFailed: damaged, encrypted, of another kind, or too large once unpacked.
    """
    name = FORMATS[media_type].name
    members = check_contents(data, name, caps)
    if container_kind([member.filename for member in members]) != media_type:
        raise ParseFailed(f"the file is a ZIP archive, but no {name}")


def check_contents(data: bytes, name: str, caps: Caps) -> list[ZipInfo]:
    """The members of a ZIP container, when they are of a sane size together.

    Raises:
        ParseFailed: damaged, encrypted, or too large once unpacked.
    """
    try:
        with ZipFile(BytesIO(data)) as archive:
            members = archive.infolist()
    except (BadZipFile, NotImplementedError, ValueError) as error:
        raise ParseFailed(f"the {name} is damaged or cut short") from error
    if any(member.flag_bits & _ENCRYPTED for member in members):
        raise ParseFailed(f"the {name} is encrypted")
    unpacked = sum(member.file_size for member in members)
    most = min(caps.unpacked_bytes, max(_SMALL_BYTES, len(data) * caps.compression_ratio))
    if unpacked > most or len(members) > caps.archive_members:
        raise ParseFailed(
            f"the {name} is too large once unpacked: "
            f"{unpacked:,} bytes in {len(members):,} parts, from a file of {len(data):,} bytes"
        )
    return members
