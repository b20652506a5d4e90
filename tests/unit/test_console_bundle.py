"""The console stays small: what a browser loads before it shows anything."""

import gzip
from pathlib import Path

import pytest

import carrel

BUILT = Path(carrel.__file__).parent / "console_dist"
MOST_BYTES = 60_000  # the goal of the project is 120,000


def test_the_console_is_small_and_whole() -> None:
    if not (BUILT / "index.html").exists():
        pytest.skip("the console is not built: make console")
    files = [path for path in BUILT.rglob("*") if path.suffix in {".html", ".js", ".css", ".svg"}]
    assert {path.suffix for path in files} == {".html", ".js", ".css", ".svg"}
    assert sum(len(gzip.compress(path.read_bytes(), 9)) for path in files) < MOST_BYTES


def test_the_page_loads_nothing_from_elsewhere() -> None:
    page = (BUILT / "index.html").read_text()
    assert "//" not in page.replace("<!doctype html>", "")
    assert "<style" not in page
    assert "<script>" not in page
