import pytest
from scripts import make_dashboard
from scripts.dashboard_panels import ROWS
from tests import promql

QUERIES = [query for row in ROWS.values() for panel in row for query in panel.queries.values()]


def test_the_dashboard_is_made_of_its_panels() -> None:
    assert make_dashboard.PATH.read_text() == make_dashboard.text(), (
        "run: python -m scripts.make_dashboard"
    )


@pytest.mark.parametrize("query", QUERIES)
def test_every_panel_asks_for_what_there_is(query: str) -> None:
    assert promql.unknown(query, promql.known()) == set()


def test_panels_lie_beside_each_other_and_have_ids_of_their_own() -> None:
    panels = make_dashboard.dashboard()["panels"]
    cells = [
        (x, y)
        for panel in panels
        for at in [panel["gridPos"]]
        for x in range(at["x"], at["x"] + at["w"])
        for y in range(at["y"], at["y"] + at["h"])
    ]
    assert len(cells) == len({*cells})
    assert max(x for x, _ in cells) < make_dashboard.WIDTH
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert {panel["title"] for panel in panels if panel["type"] == "row"} == {*ROWS}


@pytest.mark.parametrize(
    ("query", "missing"),
    [
        ("carrel_redis_upp", "carrel_redis_upp"),
        ('carrel_jobs_waiting{tenant="x"}', "tenant of carrel_jobs_waiting"),
        ("sum by (tenant) (carrel_jobs_waiting)", "tenant of anything"),
        ("sum(rate(carrel_answers_total[5m])) / sum(carrel_x)", "carrel_x"),
        (
            "histogram_quantile(0.9, sum by (le) (rate(carrel_job_seconds[5m])))",
            "carrel_job_seconds",
        ),
    ],
)
def test_what_there_is_not_is_found(query: str, missing: str) -> None:
    assert missing in promql.unknown(query, promql.known())
