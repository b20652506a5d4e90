"""Which files `carrel ingest` uploads, and under which document ids.

A file's id is its path as seen from beside the folder that was named, so
naming the same folder again, from anywhere, names the same documents.
"""

import hashlib
import os
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from carrel.cli.failure import Failure

SUPPORTED = frozenset(
    {
        *(".csv", ".docx", ".eml", ".htm", ".html", ".json", ".jsonl", ".markdown", ".md"),
        *(".pdf", ".pptx", ".tsv", ".txt", ".xlsx", ".zip"),
    }
)
ID_LENGTH = 200  # characters; the server's own limit


@dataclass(frozen=True, slots=True)
class Upload:
    """A file to upload: where it is, its path for people, and its document's id."""

    path: Path
    name: str
    document_id: str


@dataclass(slots=True)
class Walk:
    """What was found: files to upload by document id, and how many were left out, and why."""

    by_id: dict[str, Upload] = field(default_factory=dict[str, Upload])
    hidden: int = 0
    unsupported: Counter[str] = field(default_factory=Counter[str])

    @property
    def uploads(self) -> list[Upload]:
        """The files to upload, in the order of their names."""
        return list(self.by_id.values())

    def add(self, path: Path, name: str) -> None:
        """Take *path* up as the document *name*; the same file twice is taken once."""
        upload = Upload(path, name, document_id(name))
        first = self.by_id.setdefault(upload.document_id, upload)
        if first.path.resolve() != path.resolve():
            raise Failure(
                f"{first.path} and {path} would both be the document {name!r}."
                " Name a folder above them both.",
                exit_status=2,
            )

    def skipped(self) -> str:
        """What was left out, in words; empty if nothing was."""
        parts: list[str] = []
        if self.hidden:
            parts.append(f"{self.hidden} hidden")
        if self.unsupported:
            most_first = sorted(self.unsupported, key=lambda kind: (-self.unsupported[kind], kind))
            kinds = ", ".join(most_first[:5])
            more = ", …" if len(self.unsupported) > 5 else ""
            parts.append(f"{self.unsupported.total()} of unsupported types ({kinds}{more})")
        return " and ".join(parts)


def walk(paths: Iterable[Path]) -> Walk:
    """The files in *paths*; folders are searched, and links to folders are not followed.

    A file that is named itself is taken whatever its type: the server judges it.

    Raises:
        Failure: two files would become one document.
    """
    found = Walk()
    for path in paths:
        if path.is_dir():
            _search(path.resolve(), found)
        else:
            found.add(path, path.resolve().name)
    return found


def document_id(name: str) -> str:
    """The id of the document at the relative path *name*: the path, or its end where it is long."""
    # One file has one id whether its system composes accents (Linux) or not (macOS).
    composed = unicodedata.normalize("NFC", name)
    if len(composed) <= ID_LENGTH and composed.isprintable():
        return composed
    digest = hashlib.sha256(composed.encode("utf-8", "surrogateescape")).hexdigest()[:16]
    end = "".join(character if character.isprintable() else "_" for character in composed)
    return f"{digest}-{end[-(ID_LENGTH - 17) :]}"


def _search(root: Path, found: Walk) -> None:
    for folder, subfolders, files in os.walk(root):
        found.hidden += sum(name.startswith(".") for name in (*subfolders, *files))
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        for name in sorted(name for name in files if not name.startswith(".")):
            path = Path(folder, name)
            if path.suffix.lower() in SUPPORTED:
                found.add(path, path.relative_to(root.parent).as_posix())
            else:
                found.unsupported[path.suffix.lower() or "no extension"] += 1
