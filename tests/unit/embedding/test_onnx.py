import asyncio
import json
from pathlib import Path

import numpy as np
import pytest
from bench.models.tiny import write_tiny

from carrel.embedding.embedder import EmbedderMisconfigured, Meter
from carrel.embedding.onnx import OnnxEmbedder
from carrel.embedding.onnx_model import Source, dimensions_of, graph_in


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_tiny(tmp_path / "tiny")


def source(folder: Path, model: str | None = None) -> Source:
    return Source(model, folder, folder)


async def test_a_folder_gives_the_models_name_and_dimensions(folder: Path) -> None:
    assert OnnxEmbedder(source(folder)).identity == "onnx:tiny:32"
    assert OnnxEmbedder(source(folder, "acme/small")).identity == "onnx:acme/small:32"


async def test_a_long_text_is_read_to_the_limit_and_no_further(folder: Path) -> None:
    embedder, meter = OnnxEmbedder(source(folder), max_tokens=32), Meter()
    long, longer = "ab " * 100, "ab " * 1000
    vector = await embedder.embed_query(long, meter)
    assert (vector == await embedder.embed_query(longer)).all()
    assert meter.tokens == 32
    await embedder.close()


async def test_more_is_read_than_the_tokenizer_was_shipped_for(tmp_path: Path) -> None:
    folder = write_tiny(tmp_path / "short", model_max_length=16)
    embedder = OnnxEmbedder(source(folder), max_tokens=64)
    short, longer = "ab " * 10, "ab " * 10 + "xyz " * 10
    assert not np.allclose(
        await embedder.embed_query(short), await embedder.embed_query(longer), atol=1e-3
    )
    await embedder.close()


async def test_no_more_is_read_than_the_model_has_positions_for(folder: Path) -> None:
    embedder = OnnxEmbedder(source(folder), max_tokens=100_000)
    assert (await embedder.embed_query("ab " * 5000)).any()
    await embedder.close()


async def test_prefixes_change_the_vectors_of_questions_and_documents(folder: Path) -> None:
    plain = OnnxEmbedder(source(folder))
    prefixed = OnnxEmbedder(source(folder), query_prefix="query: ", document_prefix="passage: ")
    assert np.allclose(
        await prefixed.embed_query("why"), await plain.embed_query("query: why"), atol=1e-6
    )
    [document] = await prefixed.embed_documents(["why"])
    assert np.allclose(document, await plain.embed_query("passage: why"), atol=1e-6)
    await plain.close()
    await prefixed.close()


async def test_a_question_cancelled_while_the_model_loads_does_not_stop_the_loading(
    folder: Path,
) -> None:
    embedder = OnnxEmbedder(source(folder))
    first = asyncio.create_task(embedder.embed_query("first"))
    second = asyncio.create_task(embedder.embed_query("second"))
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).any()
    await embedder.close()


def test_a_graph_may_lie_where_hubs_put_it(folder: Path) -> None:
    (folder / "onnx").mkdir()
    (folder / "model.onnx").rename(folder / "onnx" / "model.onnx")
    assert graph_in(folder) == "onnx/model.onnx"


@pytest.mark.parametrize(
    ("missing", "says"),
    [
        ("model.onnx", "holds no graph"),
        ("config.json", "no folder of a model"),
        ("tokenizer.json", "lacks tokenizer.json"),
        ("tokenizer_config.json", "lacks tokenizer_config.json"),
    ],
)
def test_what_is_missing_from_a_folder_is_named(folder: Path, missing: str, says: str) -> None:
    (folder / missing).unlink()
    with pytest.raises(EmbedderMisconfigured, match=says):
        OnnxEmbedder(source(folder))


def test_a_folder_that_tells_no_dimensions_asks_for_the_setting(folder: Path) -> None:
    (folder / "config.json").write_text(json.dumps({}))
    with pytest.raises(EmbedderMisconfigured, match="CARREL_EMBEDDER__DIMENSIONS"):
        dimensions_of(source(folder))


def test_a_name_that_no_hub_has_is_an_error_that_says_what_would_do(tmp_path: Path) -> None:
    with pytest.raises(EmbedderMisconfigured, match="CARREL_EMBEDDER__PATH"):
        dimensions_of(Source("acme/unheard-of", None, tmp_path))


def test_a_known_name_tells_its_dimensions_without_a_download(tmp_path: Path) -> None:
    known = Source("sentence-transformers/all-MiniLM-L6-v2", None, tmp_path)
    assert dimensions_of(known) == 384


async def test_a_broken_graph_is_an_error_that_names_the_folder(folder: Path) -> None:
    (folder / "model.onnx").write_bytes(b"nonsense")
    embedder = OnnxEmbedder(source(folder))
    with pytest.raises(EmbedderMisconfigured, match="cannot be loaded"):
        await embedder.embed_query("why?")
    await embedder.close()


async def test_dimensions_that_are_not_the_models_are_an_error(folder: Path) -> None:
    embedder = OnnxEmbedder(source(folder), dimensions=64)
    with pytest.raises(EmbedderMisconfigured, match="32 dimensions, not 64"):
        await embedder.embed_query("why?")
    await embedder.close()
