"""Spaces of vectors, as the settings name them: known before any model is loaded."""

import hashlib
from pathlib import Path
from typing import NamedTuple

from carrel.embedding.embedder import DEFAULT_DIMENSIONS, DEFAULT_IDENTITY, identity_of
from carrel.model_settings import EmbedderSettings
from carrel.settings import Settings


class Space(NamedTuple):
    """The vectors of one embedder: what they are called, and how long they are.

    `suffix` tells their folder or collection from those of other embedders.
    """

    identity: str
    dimensions: int

    @property
    def suffix(self) -> str:
        if self.identity == DEFAULT_IDENTITY:
            return ""
        return "-" + hashlib.sha256(self.identity.encode()).hexdigest()[:8]


def spaces(settings: Settings) -> list[Space]:
    """The space of the embedder that is set, and while there is one that of the embedder before.

    Raises:
        EmbedderMisconfigured: there is no such model.
    """
    found = [_space(chosen, settings.data_dir) for chosen in settings.embedders]
    return list(dict.fromkeys(found))


def _space(chosen: EmbedderSettings, data_dir: Path) -> Space:
    dimensions = _dimensions_of(chosen, data_dir)
    if chosen.kind == "static":
        return Space(DEFAULT_IDENTITY, dimensions)
    name = name_of(chosen)
    return Space(identity_of(chosen.kind, name, dimensions, chosen.document_prefix), dimensions)


def name_of(chosen: EmbedderSettings) -> str:
    """The embedder's model, as callers ask for it."""
    if chosen.kind == "static":
        return DEFAULT_IDENTITY.split(":")[1]
    return chosen.model or (chosen.path.name if chosen.path else "")


def _dimensions_of(chosen: EmbedderSettings, data_dir: Path) -> int:
    """The length of the embedder's vectors, known before a model is loaded."""
    if chosen.kind == "static":
        return DEFAULT_DIMENSIONS
    if chosen.dimensions is not None and chosen.path is None:
        return chosen.dimensions
    from carrel.embedding import onnx_model

    found = onnx_model.dimensions_of(
        onnx_model.Source(chosen.model, chosen.path, data_dir / "models")
    )
    return chosen.dimensions or found


def engine_folder(settings: Settings, space: Space) -> Path:
    """Where the embedded vector engine keeps the vectors of *space*."""
    return settings.data_dir / f"vectors{space.suffix}"
