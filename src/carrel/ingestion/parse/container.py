"""Files within a file: the members of a ZIP archive, the attachments of an e-mail.

Each becomes a section under its name. Nothing is written to disk, and a name is
never more than a heading. What cannot be read is listed, with the reason.
"""

import email
import email.policy
import re
from collections.abc import Callable, Iterator
from email.message import EmailMessage, Message
from io import BytesIO
from pathlib import PurePosixPath
from typing import cast
from zipfile import BadZipFile, ZipFile

from carrel.domain.errors import UnsupportedMediaType
from carrel.ingestion.parse.archive import check_contents
from carrel.ingestion.parse.caps import Caps
from carrel.ingestion.parse.detect import HEAD_BYTES, detect
from carrel.ingestion.parse.failure import ParseFailed
from carrel.ingestion.parse.media_types import EML

Read = Callable[[bytes, str], str]  # of a member's bytes and media type, its text

_HEADING = re.compile(r"^(#{1,5})(?= )", re.MULTILINE)
_FENCE = re.compile(r"^ {0,3}(?:```|~~~)", re.MULTILINE)
_LONGEST_NAME = 200


def zip_text(data: bytes, caps: Caps, read: Read) -> str:
    """The members of a ZIP archive, by their names in it.

    Raises:
        ParseFailed: damaged, encrypted, too large; or nothing in it can be read.
    """
    members = check_contents(data, "ZIP archive", caps)
    for each in members:
        _check_name(each.filename)
    documents = [each for each in members if not each.is_dir() and _is_of_interest(each.filename)]
    if len(documents) > caps.members:
        raise ParseFailed(f"the ZIP archive holds more than {caps.members:,} files")
    sections = _Sections(read)
    try:
        with ZipFile(BytesIO(data)) as archive:
            for each in sorted(documents, key=lambda member: member.filename):
                sections.add(each.filename, None, archive.read(each))
    except (BadZipFile, NotImplementedError, EOFError, OSError, ValueError) as error:
        raise ParseFailed("the ZIP archive is damaged or cut short") from error
    if not sections.texts:
        raise ParseFailed(f"nothing in the ZIP archive can be read{sections.first_reason()}")
    return sections.whole()


def attachments_text(data: bytes, caps: Caps, read: Read) -> str:
    """What is attached to an e-mail, as sections; empty where nothing is.

    Raises:
        ParseFailed: there are too many attachments.
    """
    sections = _Sections(read)
    for number, (name, declared, content) in enumerate(_attachments(data), start=1):
        if number > caps.members:
            raise ParseFailed(f"the e-mail message has more than {caps.members:,} attachments")
        if content:
            sections.add(name or f"attachment {number}", declared, content)
    return sections.whole()


class _Sections:
    """Texts under their names, and what could not be read."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self.texts: list[str] = []
        self._unread: list[str] = []

    def add(self, name: str, declared: str | None, content: bytes) -> None:
        try:
            kind = detect(name, declared, content[:HEAD_BYTES])
            text = self._read(content, kind)
        except UnsupportedMediaType as error:
            self._unread.append(f"{_plain(name)}: {error.message.partition(';')[0]}")
        except ParseFailed as failure:
            if failure.of_all:
                raise
            self._unread.append(f"{_plain(name)}: {failure.reason}")
        else:
            self.texts.append(f"# {_plain(name)}\n\n{_below(text)}")

    def first_reason(self) -> str:
        return f": {self._unread[0]}" if self._unread else ""

    def whole(self) -> str:
        unread = "\n".join(f"- {each}" for each in self._unread)
        return "\n\n".join([*self.texts, *([f"# Not read\n\n{unread}"] if unread else [])])


def _attachments(data: bytes) -> Iterator[tuple[str, str, bytes]]:
    """Name, declared type and content of each attachment, those of forwarded messages too."""
    return _parts(email.message_from_bytes(data, policy=email.policy.default))


def _parts(message: Message) -> Iterator[tuple[str, str, bytes]]:
    for part in _outermost(message):
        kind = part.get_content_type()
        if kind == EML:  # its text is part of the message's already
            inner = part.get_payload(0) if part.is_multipart() else None
            if isinstance(inner, EmailMessage):
                yield from _parts(cast("Message", inner))
            continue
        content = part.get_payload(decode=True)
        yield part.get_filename() or "", kind, content if isinstance(content, bytes) else b""


def _outermost(message: Message) -> Iterator[Message]:
    """The attachments of a message, but not those of messages attached to it."""
    if not isinstance(message, EmailMessage) or not message.is_multipart():
        return
    for part in message.iter_parts():
        if not isinstance(part, EmailMessage):
            continue
        if part.is_attachment() or part.get_content_type() == EML or part.get_filename():
            yield part
        elif part.get_content_maintype() == "multipart":
            yield from _outermost(part)


def _is_of_interest(name: str) -> bool:
    """False for what archivers add by themselves."""
    path = PurePosixPath(name)
    return not (path.name.startswith(".") or "__MACOSX" in path.parts or not path.name)


def _check_name(name: str) -> None:
    # Nothing is unpacked to disk; whoever names a file so wants something to be.
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in name[:2] or "\0" in name:
        raise ParseFailed("the ZIP archive holds a name that leads out of it")


def _plain(name: str) -> str:
    return " ".join(name.split())[:_LONGEST_NAME]


def _below(text: str) -> str:
    """*text* with its headings a level lower; as it is where code may hold what looks like one."""
    return text if _FENCE.search(text) else _HEADING.sub(r"#\1", text)
