import pytest

from carrel.caching.thresholds import threshold_for
from carrel.embedding.embedder import DEFAULT_IDENTITY, identity_of


def test_a_measured_model_has_its_threshold_wherever_it_runs() -> None:
    assert threshold_for(DEFAULT_IDENTITY) is not None
    names = ("all-MiniLM-L6-v2", "sentence-transformers/all-MiniLM-L6-v2", "all-minilm-l6-v2-int8")
    found = {
        threshold_for(identity_of(kind, name, 384)) for kind in ("onnx", "http") for name in names
    }
    assert len(found) == 1
    assert None not in found


@pytest.mark.parametrize("identity", ["", "static", "http:text-embedding-3-small:1536", "onnx::"])
def test_an_unknown_model_has_none(identity: str) -> None:
    assert threshold_for(identity) is None
