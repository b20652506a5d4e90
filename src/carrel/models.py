"""From settings to the models that find passages: embedder and reranker, opened.

What a model needs is imported by the one that is chosen, so that the default starts
without HTTP clients and runtimes.
"""

from pathlib import Path

from carrel.embedding.embedder import Embedder
from carrel.model_settings import EmbedderSettings, RerankerSettings
from carrel.retrieval.rerank import Reranker, Reranking


def open_embedder(chosen: EmbedderSettings, data_dir: Path) -> Embedder:
    """The embedder; a model in this process is loaded at its first use.

    Raises:
        EmbedderMisconfigured: there is no such model.
    """
    if chosen.kind == "static":
        from carrel.embedding.static import StaticEmbedder

        return StaticEmbedder()
    if chosen.kind == "onnx":
        from carrel.embedding.onnx import OnnxEmbedder
        from carrel.embedding.onnx_model import Source

        return OnnxEmbedder(
            Source(chosen.model, chosen.path, data_dir / "models"),
            dimensions=chosen.dimensions,
            threads=chosen.threads,
            max_tokens=chosen.max_tokens,
            query_prefix=chosen.query_prefix,
            document_prefix=chosen.document_prefix,
        )
    from carrel.embedding.http import Batches, HttpEmbedder

    # Settings are checked to be whole when they are loaded.
    assert chosen.base_url is not None
    assert chosen.model is not None
    assert chosen.dimensions is not None
    return HttpEmbedder(
        base_url=chosen.base_url,
        api_key=chosen.api_key.get_secret_value() if chosen.api_key else None,
        model=chosen.model,
        dimensions=chosen.dimensions,
        query_prefix=chosen.query_prefix,
        document_prefix=chosen.document_prefix,
        connect_timeout_seconds=chosen.connect_timeout_seconds,
        query_timeout_seconds=chosen.query_timeout_seconds,
        document_timeout_seconds=chosen.document_timeout_seconds,
        max_connections=chosen.max_connections,
        batches=Batches(chosen.batch_texts, chosen.batch_tokens, chosen.concurrency),
    )


def open_reranking(chosen: RerankerSettings, data_dir: Path) -> Reranking | None:
    """The reranker with its limits; None where none is set."""
    if chosen.kind == "none":
        return None
    reranker: Reranker
    if chosen.kind == "onnx":
        from carrel.embedding.onnx_model import Source
        from carrel.retrieval.rerank_onnx import OnnxReranker

        source = Source(chosen.model, chosen.path, data_dir / "models")
        reranker = OnnxReranker(source, threads=chosen.threads)
    else:
        from carrel.retrieval.rerank_http import HttpReranker

        assert chosen.base_url is not None
        key = chosen.api_key.get_secret_value() if chosen.api_key else None
        reranker = HttpReranker(base_url=chosen.base_url, api_key=key, model=chosen.model)
    return Reranking(reranker, candidates=chosen.candidates, timeout_seconds=chosen.timeout_seconds)
