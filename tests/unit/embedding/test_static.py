import subprocess
import sys

import numpy as np
import pytest

from carrel.embedding import static
from carrel.embedding.static import StaticEmbedder, embed

TEXTS = ["A refund takes 30 days.", "Die Rückerstattung dauert 30 Tage.", "払い戻し", "a" * 3_000]


async def test_vectors_are_those_of_the_wordllama_package() -> None:
    import wordllama
    from wordllama import WordLlama

    folder = wordllama.__path__[0]
    reference = WordLlama.load(cache_dir=folder, disable_download=True).embed(TEXTS, norm=True)
    vectors = await StaticEmbedder().embed_documents(TEXTS)
    np.testing.assert_allclose(np.stack(vectors), reference, atol=1e-6)


async def test_a_query_and_a_document_of_the_same_text_have_the_same_vector() -> None:
    embedder = StaticEmbedder()
    for text in TEXTS:
        query = await embedder.embed_query(text)
        again = await embedder.embed_query(text)  # inline, now that the weights are loaded
        (document,) = await embedder.embed_documents([text])
        np.testing.assert_array_equal(query, document)
        np.testing.assert_array_equal(query, again)


async def test_vectors_have_length_one_and_the_stated_shape() -> None:
    embedder = StaticEmbedder()
    vector = await embedder.embed_query("What is the notice period?")
    assert vector.shape == (embedder.dimensions,)
    assert vector.dtype == np.float32
    assert float(np.linalg.norm(vector)) == pytest.approx(1, abs=1e-6)


def test_weights_are_widened_as_numpy_does() -> None:
    weights = static.weights()
    widened = static._rows(list(range(len(weights))))
    np.testing.assert_array_equal(widened, weights.astype(np.float32))


def test_an_empty_text_has_a_vector_of_zeros() -> None:
    assert not embed("").any()


async def test_no_documents_give_no_vectors() -> None:
    assert await StaticEmbedder().embed_documents([]) == []


async def test_similar_texts_are_nearer_than_unrelated_ones() -> None:
    embedder = StaticEmbedder()
    question = await embedder.embed_query("How long is the battery life?")
    near, far = await embedder.embed_documents(
        ["The battery lasts for ten hours.", "Our office is closed on Sundays."]
    )
    assert question @ near > question @ far


def test_tokens_are_counted_without_padding_or_truncation() -> None:
    embedder = StaticEmbedder()
    assert embedder.count_tokens("") == 0
    one = embedder.count_tokens("word")
    assert embedder.count_tokens(" ".join(["word"] * 1_000)) == 1_000 * one


def test_the_identity_names_kind_model_and_dimensions() -> None:
    kind, model, dimensions = StaticEmbedder().identity.split(":")
    assert (kind, model, dimensions) == ("static", "wordllama-l2-supercat", "256")


@pytest.mark.usefixtures("unblocked_loop")
async def test_loading_the_weights_does_not_block_the_event_loop() -> None:
    static._read_tokenizer.cache_clear()
    static.weights.cache_clear()
    await StaticEmbedder().embed_query("first")


def test_embedding_imports_neither_the_package_nor_a_hub_client() -> None:
    program = (
        "import sys; from carrel.embedding.static import embed; embed('x'); "
        "print([name for name in ('wordllama', 'requests', 'huggingface_hub') "
        "if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout.strip() == b"[]"
