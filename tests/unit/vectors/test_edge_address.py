import os
import socket
from pathlib import Path

import pytest

from carrel.vectors.edge.address import check_owner, make_private, socket_path


def test_the_socket_is_in_the_folder(tmp_path: Path) -> None:
    assert socket_path(Path("/data/vectors")) == Path("/data/vectors/engine.sock")


def test_one_folder_by_any_name_has_one_socket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / ("x" * 120)
    folder.mkdir()
    (tmp_path / "link").symlink_to(folder)
    monkeypatch.chdir(tmp_path)
    names = [folder, tmp_path / "link", Path("link"), Path(folder.name), folder / ".." / "link"]
    assert len({socket_path(name) for name in names}) == 1


def test_a_path_too_long_for_a_socket_is_replaced_by_one_that_can_be_bound(tmp_path: Path) -> None:
    folder = tmp_path.joinpath(*["long" * 20] * 5)
    path = socket_path(folder)
    assert path != socket_path(folder / "other")
    make_private(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(str(path))
    finally:
        path.unlink()
        path.parent.rmdir()


def test_a_directory_that_another_user_made_is_not_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = tmp_path.stat().st_uid
    check_owner(tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: made + 1)
    if made == 0:  # root is always trusted, so someone else has to own it
        os.chown(tmp_path, 12345, -1)
    with pytest.raises(PermissionError):
        check_owner(tmp_path)


def test_a_link_is_not_trusted(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(PermissionError):
        check_owner(tmp_path / "link")
