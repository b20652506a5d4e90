import io
from pathlib import Path

import pytest
from bench.__main__ import main
from bench.measure import AtLeast, AtMost, Bench, Figure, Goal, Outcome, Run
from bench.registry import BENCHES
from bench.report import as_json, plain, print_outcome, print_summary
from rich.console import Console


async def _nothing(run: Run) -> list[Figure]:
    return []


def _outcome(figures: list[Figure], goals: dict[str, Goal], error: str = "") -> Outcome:
    return Outcome(Bench("walk", "to the bridge", _nothing, goals), figures, 1.0, error)


def _printed(outcome: Outcome) -> str:
    console = Console(file=io.StringIO(), width=120)
    print_outcome(outcome, console)
    print_summary([outcome], console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize(
    ("goal", "value", "met"),
    [
        (AtMost(5), 5.0, True),
        (AtMost(5), 5.1, False),
        (AtLeast(0.9), 0.9, True),
        (AtLeast(0.9), 0.89, False),
    ],
)
def test_a_goal_is_met_at_its_bound_and_missed_beyond(goal: Goal, value: float, met: bool) -> None:
    outcome = _outcome([Figure("steps", value, "ms")], {"steps": goal})
    assert (outcome.missed == []) is met
    assert ("missed" in _printed(outcome)) is not met
    assert as_json([outcome], quick=False)["benches"][0]["figures"][0]["met"] is met


def test_a_goal_without_a_figure_is_told_and_not_counted_as_met() -> None:
    outcome = _outcome([Figure("rests", 1, "")], {"steps": AtMost(5)})
    printed = _printed(outcome)
    assert "not measured" in printed
    assert "0 of 1 goals met" in printed
    assert as_json([outcome], quick=False)["benches"][0]["unmeasured"] == ["steps"]


def test_a_figure_without_a_goal_has_no_verdict() -> None:
    outcome = _outcome([Figure("rests", 1, "")], {})
    figure = as_json([outcome], quick=True)["benches"][0]["figures"][0]
    assert figure["goal"] is None
    assert figure["met"] is None


def test_json_keeps_what_went_wrong_and_what_was_measured_before() -> None:
    outcome = _outcome([Figure("rests", 1, "")], {}, error="the bridge is closed")
    report = as_json([outcome], quick=False)
    assert report["benches"][0]["error"] == "the bridge is closed"
    assert "the bridge is closed" in _printed(outcome)


@pytest.mark.parametrize(
    ("value", "shown"),
    [(3000, "3,000"), (0.965, "0.965"), (5, "5"), (4.567, "4.57"), (45.67, "45.7"), (100, "100")],
)
def test_numbers_are_shown_with_as_many_digits_as_matter(value: float, shown: str) -> None:
    assert plain(value) == shown


def test_every_bench_has_a_name_of_its_own() -> None:
    names = [bench.name for bench in BENCHES]
    assert len(set(names)) == len(names)


@pytest.fixture
def one_bench(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    def install(bench: Bench, *arguments: str) -> Path:
        written = tmp_path / "figures.json"
        monkeypatch.setattr("bench.__main__.BENCHES", (bench,))
        monkeypatch.setattr("sys.argv", ["bench", "--json", str(written), *arguments])
        return written

    return install


def test_a_missed_goal_is_no_error(one_bench) -> None:
    async def slow(run: Run) -> list[Figure]:
        return [Figure("steps", 9, "ms")]

    written = one_bench(Bench("walk", "to the bridge", slow, {"steps": AtMost(5)}))
    assert main() == 0
    assert '"met": false' in written.read_text()


def test_a_bench_that_breaks_is_an_error(one_bench) -> None:
    async def broken(run: Run) -> list[Figure]:
        raise RuntimeError("the bridge is closed")

    written = one_bench(Bench("walk", "to the bridge", broken))
    assert main() == 1
    assert "the bridge is closed" in written.read_text()


def test_a_name_that_no_bench_has_is_refused(one_bench) -> None:
    one_bench(Bench("walk", "to the bridge", _nothing), "wlak")
    with pytest.raises(SystemExit) as refused:
        main()
    assert refused.value.code == 2
