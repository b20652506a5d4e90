"""Office files are zip archives; here they lose the clock, so that a rerun gives the same bytes."""

import re
import zipfile
from pathlib import Path

from demo_corpus.company import WRITTEN

_MODIFIED = re.compile(rb"(<dcterms:(modified|created)[^>]*>)[^<]*")


def settle(path: Path) -> None:
    """Rewrite the archive at *path* with every time in it set to `WRITTEN`."""
    with zipfile.ZipFile(path) as archive:
        parts = [(info.filename, archive.read(info)) for info in archive.infolist()]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, content in parts:
            info = zipfile.ZipInfo(name, date_time=WRITTEN.timetuple()[:6])
            info.compress_type = zipfile.ZIP_DEFLATED
            info.create_system = 3  # the writing system's own number would differ by platform
            archive.writestr(info, _settled(name, content))


def _settled(name: str, content: bytes) -> bytes:
    if name != "docProps/core.xml":
        return content
    return _MODIFIED.sub(rb"\g<1>" + WRITTEN.strftime("%Y-%m-%dT%H:%M:%SZ").encode(), content)
