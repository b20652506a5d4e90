"""The demo's documents: present, small, and different where the demo's questions need it."""

import asyncio
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest

from carrel.cli.demo.questions import QUESTIONS, DemoQuestion

REPOSITORY = Path(__file__).parents[3]
CORPUS = Path(str(files("carrel.cli.demo"))) / "corpus"
TENANTS = ("acme", "globex")
FORMATS = {".pdf", ".docx", ".xlsx", ".pptx", ".html", ".md", ".txt", ".csv", ".eml"}
OFFICE = "application/vnd.openxmlformats-officedocument"
MEDIA_TYPES = {
    ".docx": f"{OFFICE}.wordprocessingml.document",
    ".pptx": f"{OFFICE}.presentationml.presentation",
    ".xlsx": f"{OFFICE}.spreadsheetml.sheet",
    ".html": "text/html",
    ".csv": "text/csv",
    ".eml": "message/rfc822",
}


def documents(tenant: str, folder: Path = CORPUS) -> list[Path]:
    return sorted(path for path in (folder / tenant).iterdir() if path.is_file())


async def read(path: Path) -> str:
    """What a parser reads from *path*, every run of white space as one blank."""
    content = path.read_bytes()
    if path.suffix == ".pdf":
        from liteparse import LiteParse

        text = (
            LiteParse(ocr_enabled=False, output_format="markdown", quiet=True).parse(content).text
        )
    elif path.suffix in MEDIA_TYPES:
        import xberg

        source = xberg.ExtractInput(
            kind="bytes", bytes=content, mime_type=MEDIA_TYPES[path.suffix], filename=path.name
        )
        config = xberg.ExtractionConfig(use_cache=False, disable_ocr=True, output_format="markdown")
        text = (await xberg.extract(source, config)).results[0].content
    else:
        text = content.decode("utf-8")
    return " ".join(text.split())


@pytest.fixture(scope="module")
def texts() -> dict[str, dict[str, str]]:
    """Tenant, then file name, to text."""

    async def read_all() -> dict[str, dict[str, str]]:
        return {
            tenant: {path.name: await read(path) for path in documents(tenant)}
            for tenant in TENANTS
        }

    return asyncio.run(read_all())


@pytest.mark.parametrize("tenant", TENANTS)
def test_each_tenant_has_ten_documents_in_every_format(tenant: str) -> None:
    found = documents(tenant)

    assert len(found) == 10
    assert {path.suffix for path in found} == FORMATS


def test_the_corpora_are_small_enough_for_the_wheel() -> None:
    sizes = {path: path.stat().st_size for tenant in TENANTS for path in documents(tenant)}

    assert sum(sizes.values()) < 400_000
    assert max(sizes.values()) < 60_000


def test_every_document_holds_text(texts: dict[str, dict[str, str]]) -> None:
    short = [name for tenant in TENANTS for name, text in texts[tenant].items() if len(text) < 1500]

    assert short == []


@pytest.mark.parametrize("asked", QUESTIONS, ids=lambda asked: asked.question)
def test_an_expected_answer_stands_in_its_own_tenants_documents_alone(
    asked: DemoQuestion, texts: dict[str, dict[str, str]]
) -> None:
    expected = {"acme": asked.acme_contains, "globex": asked.globex_contains}
    for tenant, other in (TENANTS, TENANTS[::-1]):
        answer = expected[tenant]
        if answer is not None:
            assert any(answer in text for text in texts[tenant].values())
            assert [name for name, text in texts[other].items() if answer in text] == []


@pytest.mark.parametrize(
    ("product", "owner", "other"), [("LX-600", *TENANTS), ("RoadLink", *TENANTS[::-1])]
)
def test_a_question_without_an_answer_is_about_a_product_the_tenant_never_names(
    product: str, owner: str, other: str, texts: dict[str, dict[str, str]]
) -> None:
    unanswerable = [
        asked
        for asked in QUESTIONS
        if (asked.acme_contains if other == "acme" else asked.globex_contains) is None
    ]

    assert [product in asked.question for asked in unanswerable] == [True]
    assert any(product in text for text in texts[owner].values())
    assert not any(product in text for text in texts[other].values())


def test_the_questions_are_answered_from_every_format(texts: dict[str, dict[str, str]]) -> None:
    sources = {
        Path(name).suffix
        for asked in QUESTIONS
        for tenant, answer in (("acme", asked.acme_contains), ("globex", asked.globex_contains))
        if answer is not None
        for name, text in texts[tenant].items()
        if answer in text
    }

    assert sources == FORMATS


def test_the_generated_files_are_what_their_sources_say_and_a_rerun_changes_no_byte(
    tmp_path: Path,
) -> None:
    script = REPOSITORY / "scripts/make_demo_corpus.py"
    for run in ("first", "second"):
        command = [sys.executable, str(script), "--out", str(tmp_path / run)]
        subprocess.run(command, check=True, capture_output=True)

    written = [path for tenant in TENANTS for path in documents(tenant, tmp_path / "first")]
    assert len(written) == 9
    for path in written:
        name = path.relative_to(tmp_path / "first")
        assert path.read_bytes() == (tmp_path / "second" / name).read_bytes(), name
        # Text, not bytes: another zlib compresses the same content into other bytes.
        assert asyncio.run(read(path)) == asyncio.run(read(CORPUS / name)), name
