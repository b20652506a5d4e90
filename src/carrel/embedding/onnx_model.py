"""Finds and loads ONNX models through fastembed: by name from a hub, or from a local folder.

A folder is laid out as model hubs lay theirs out: `config.json`, `tokenizer.json`,
`tokenizer_config.json` and the graph. Nothing is downloaded for a folder.
"""

import json
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from carrel.embedding.embedder import EmbedderMisconfigured

if TYPE_CHECKING:
    from fastembed import TextEmbedding
    from fastembed.common.model_description import PoolingType

# Hubs hold several graphs of a model; the first of these that is there is taken.
GRAPHS = (
    "model.onnx",
    "onnx/model.onnx",
    "model_optimized.onnx",
    "onnx/model_quantized.onnx",
    "onnx/model_int8.onnx",
)
_NEEDED = ("config.json", "tokenizer.json", "tokenizer_config.json")
_SPECIAL_POSITIONS = 2  # RoBERTa counts positions from here


class Source(NamedTuple):
    """Where a model comes from: a hub's name for it, or a folder; *cache* keeps downloads."""

    model: str | None
    path: Path | None
    cache: Path

    @property
    def name(self) -> str:
        """What the model is called: the folder's name where it has none of its own."""
        return self.model or (self.path.name if self.path else "")


def dimensions_of(source: Source) -> int:
    """The length of the model's vectors, known without loading it.

    Raises:
        EmbedderMisconfigured: there is no such model or folder, or the extra is not installed.
    """
    if source.path is not None:
        _check_installed()
        graph_in(source.path)
        config = _config(source.path)
        size = config.get("hidden_size") or config.get("dim")
        if not isinstance(size, int):
            raise EmbedderMisconfigured(
                f"{source.path}/config.json names no hidden_size: set CARREL_EMBEDDER__DIMENSIONS"
            )
        return size
    supported = {each["model"].lower(): each for each in _fastembed().list_supported_models()}
    if (found := supported.get(source.name.lower())) is None:
        raise EmbedderMisconfigured(
            f"fastembed knows no model {source.name!r}; it knows, among others, "
            "sentence-transformers/all-MiniLM-L6-v2 and intfloat/multilingual-e5-large. For any "
            "other, name its folder in CARREL_EMBEDDER__PATH"
        )
    return int(found["dim"])


def load_embedding(source: Source, *, max_tokens: int) -> "TextEmbedding":
    """The model, which reads at most *max_tokens* of a text. It takes a second, or a download.

    Raises:
        EmbedderMisconfigured: it is not there, or cannot be had.
    """
    embedding = _fastembed()
    if source.path is None:
        loaded = _downloaded(embedding, source)
    else:
        from fastembed.common.model_description import ModelSource

        name, graph = f"carrel:{source.path}", graph_in(source.path)
        if name.lower() not in {
            each["model"].lower() for each in embedding.list_supported_models()
        }:
            embedding.add_custom_model(
                model=name,
                pooling=_pooling(source.path),
                normalization=True,
                sources=ModelSource(hf=name),
                dim=dimensions_of(source),
                model_file=graph,
            )
        loaded = _opened(embedding, name, source)
    limit_tokens(loaded.model, max_tokens)
    return loaded


def load_cross_encoder(source: Source, *, max_tokens: int) -> Any:
    """A model that scores pairs of texts; as `load_embedding`."""
    _fastembed()
    from fastembed.common.model_description import ModelSource
    from fastembed.rerank import cross_encoder  # pyright: ignore[reportMissingTypeStubs]

    encoder: Any = cross_encoder.TextCrossEncoder
    if source.path is None:
        loaded = _downloaded(encoder, source)
    else:
        name, graph = f"carrel:{source.path}", graph_in(source.path)
        if name.lower() not in {each["model"].lower() for each in encoder.list_supported_models()}:
            encoder.add_custom_model(name, ModelSource(hf=name), model_file=graph)
        loaded = _opened(encoder, name, source)
    limit_tokens(loaded.model, max_tokens)
    return loaded


def limit_tokens(model: Any, max_tokens: int) -> None:
    """Have *model* read *max_tokens* of a text: many are shipped with less than they can take."""
    config = model._model_dir / "config.json"  # noqa: SLF001 - it tells nowhere else
    told: dict[str, Any] = json.loads(config.read_text()) if config.exists() else {}
    most: int = told.get("max_position_embeddings", 0)
    tokenizer: Any = model.tokenizer
    truncation: dict[str, int] = tokenizer.truncation or {}
    shipped = truncation.get("max_length", max_tokens)
    limit = min(max_tokens, most - _SPECIAL_POSITIONS) if most else min(max_tokens, shipped)
    tokenizer.enable_truncation(max_length=limit)


def graph_in(folder: Path) -> str:
    """The graph to load, relative to *folder*.

    Raises:
        EmbedderMisconfigured: something is missing there.
    """
    _config(folder)
    if missing := [name for name in _NEEDED if not (folder / name).is_file()]:
        raise EmbedderMisconfigured(f"{folder} lacks {', '.join(missing)}")
    for name in GRAPHS:
        if (folder / name).is_file():
            return name
    raise EmbedderMisconfigured(f"{folder} holds no graph: none of {', '.join(GRAPHS)}")


def _config(folder: Path) -> dict[str, Any]:
    try:
        return json.loads((folder / "config.json").read_text())
    except (OSError, ValueError) as error:
        raise EmbedderMisconfigured(
            f"{folder} is no folder of a model: its config.json cannot be read"
        ) from error


def _pooling(folder: Path) -> "PoolingType":
    """How token vectors become one, as sentence-transformers records it; a mean without a word."""
    from fastembed.common.model_description import PoolingType

    told = folder / "1_Pooling" / "config.json"
    config: dict[str, Any] = json.loads(told.read_text()) if told.is_file() else {}
    if config.get("pooling_mode_cls_token"):
        return PoolingType.CLS
    if config.get("pooling_mode_lasttoken"):
        return PoolingType.LAST_TOKEN
    return PoolingType.MEAN


def _check_installed() -> None:
    if find_spec("fastembed") is None:
        raise EmbedderMisconfigured(
            "models in this process need the extra: pip install 'carrel[onnx]'"
        )


def _fastembed() -> "type[TextEmbedding]":
    _check_installed()
    from fastembed import TextEmbedding

    return TextEmbedding


def _downloaded(kind: Any, source: Source) -> Any:
    try:
        # One thread a text: several texts at a time come from several threads (see onnx.py).
        return kind(source.name, cache_dir=str(source.cache), threads=1)
    except Exception as error:  # what the hub's client raises has no common ground
        raise EmbedderMisconfigured(
            f"the model {source.name!r} cannot be had from its hub "
            f"({type(error).__name__}): where none can be reached, put the model's files in a "
            "folder and name it in the setting that ends in __PATH"
        ) from error


def _opened(kind: Any, name: str, source: Source) -> Any:
    try:
        return kind(name, specific_model_path=str(source.path), threads=1)
    except Exception as error:  # the runtime's errors, too
        raise EmbedderMisconfigured(
            f"{source.path} holds a model that cannot be loaded: {error}"
        ) from error
