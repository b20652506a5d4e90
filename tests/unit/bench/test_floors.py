import json

import pytest
from bench.retrieval import floors


@pytest.fixture
def measured() -> dict[str, float]:
    """Figures that hold every floor exactly."""
    written = json.loads(floors.FILE.read_text("utf-8"))
    return {**written["at_least"], **written["at_most"]}


def test_figures_on_the_floor_hold_it(measured: dict[str, float]):
    assert floors.broken(measured) == []


@pytest.mark.parametrize(
    ("name", "change"),
    [("xquad-en nDCG@10", -0.01), ("wrongly refused: chunkeval", 0.01)],
)
def test_a_figure_below_its_floor_or_above_its_ceiling_is_named(
    measured: dict[str, float], name: str, change: float
):
    (line,) = floors.broken({**measured, name: measured[name] + change})
    assert line.startswith(name)


def test_a_figure_that_was_not_measured_breaks_its_floor(measured: dict[str, float]):
    del measured["refusal recall"]
    (line,) = floors.broken(measured)
    assert "not measured" in line
