"""Plots of a load test, as SVG: what users saw, and what it took, over time."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from bench.load.plan import Plan
from bench.load.results import ASKED, Record, Stage
from bench.load.sampler import Sample

# Okabe and Ito's colours: told apart by everyone.
BLUE, ORANGE, GREEN, GREY, SKY, PINK, YELLOW = (
    *("#0072B2", "#D55E00", "#009E73", "#999999", "#56B4E9", "#CC79A7", "#E69F00"),
)
_CACHES = {"miss": GREY, "shared": ORANGE, "exact": BLUE, "semantic": GREEN}
_COLOURS = (BLUE, ORANGE, GREEN, SKY, PINK, YELLOW, GREY)
_BIN_SECONDS = 5.0


def draw(
    plan: Plan,
    *,
    began: float,
    records: Sequence[Record],
    samples: Sequence[Sample],
    stages: Sequence[Stage],
    folder: Path,
) -> list[Path]:
    """Write the plots into *folder*; their paths, in the order of reading."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "carrel", "font.size": 10})
    mpl.rcParams.update({"axes.spines.top": False, "axes.spines.right": False})
    mpl.rcParams.update({"axes.grid": True, "grid.color": "#e6e6e6", "axes.axisbelow": True})
    questions = [each for each in records if each["kind"] in ASKED]
    plots: dict[str, Callable[[Any], None]] = {
        "throughput": lambda axes: _throughput(axes, began, questions),
        "first-token": lambda axes: _first_token(axes, plan, began, questions),
        "streams": lambda axes: _streams(axes, began, questions),
        "processors": lambda axes: _by_process(
            axes, began, samples, "cores", "cores", "Busy cores by process"
        ),
        "memory": lambda axes: _by_process(
            axes, began, samples, "mebibytes", "MiB", "Memory by process (PSS)"
        ),
        "distribution": lambda axes: _distribution(axes, plan, stages[-1]),
    }
    return [_saved(folder / f"{name}.svg", plot, began, stages) for name, plot in plots.items()]


def _saved(path: Path, plot: Callable[[Any], None], began: float, stages: Sequence[Stage]) -> Path:
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(7.2, 3.5), layout="constrained")
    plot(axes)
    if path.stem != "distribution":
        axes.set(xlabel="seconds", xlim=(0, stages[-1].end - began))
        for stage in stages:
            axes.axvspan(stage.start - began, stage.end - began, color="#f4f7fa", zorder=0)
    figure.savefig(path, format="svg", metadata={"Date": None}, facecolor="white")
    plt.close(figure)
    return path


def _bins(began: float, records: Sequence[Record]) -> tuple[Any, Any]:
    at = np.array([each["at"] - began for each in records])
    edges = np.arange(0, (at.max() if len(at) else 0) + _BIN_SECONDS, _BIN_SECONDS)
    return at, edges


def _throughput(axes: Any, began: float, questions: Sequence[Record]) -> None:
    _, edges = _bins(began, questions)
    stacks, names = [], []
    for cache in _CACHES:
        at = [each["at"] - began for each in questions if each.get("cache") == cache]
        if at:
            stacks.append(np.histogram(at, edges)[0] / _BIN_SECONDS)
            names.append(cache)
    if stacks:
        colours = [_CACHES[name] for name in names]
        axes.stackplot(edges[:-1], stacks, labels=names, colors=colours)
    faults = [each["at"] - began for each in questions if each["fault"]]
    if faults:
        rates = np.histogram(faults, edges)[0] / _BIN_SECONDS
        axes.plot(edges[:-1], rates, color="black", label="faults")
    axes.set(ylabel="questions/s", title="Questions by how they were answered")
    _legend(axes, 5)


def _first_token(axes: Any, plan: Plan, began: float, questions: Sequence[Record]) -> None:
    good = [each for each in questions if not each["fault"] and each["first"]]
    for cache, less, colour in (("miss", plan.ttft_ms, ORANGE), ("exact", 0.0, BLUE)):
        chosen = [each for each in good if each.get("cache") == cache]
        at, edges = _bins(began, chosen)
        if not len(at):
            continue
        ms = np.array([each["first"] * 1000 - less for each in chosen])
        places = np.digitize(at, edges)
        shown = sorted(set(places))
        for share, style in ((0.5, "-"), (0.99, ":")):
            values = [np.quantile(ms[places == place], share) for place in shown]
            label = f"{cache}, p{share * 100:.0f}"
            axes.plot(
                [edges[place - 1] for place in shown], values, style, color=colour, label=label
            )
    axes.set(
        ylabel="ms",
        yscale="log",
        title="First token: what is added to the model's own (miss), in all (exact)",
    )
    axes.title.set_fontsize(10)
    _plain_ticks(axes.yaxis)
    _legend(axes, 4)


def _streams(axes: Any, began: float, questions: Sequence[Record]) -> None:
    changes = sorted(
        change
        for each in questions
        for change in ((each["at"] - began, 1), (each["at"] - began + each["total"], -1))
    )
    axes.plot(
        [at for at, _ in changes], np.cumsum([by for _, by in changes]), color=BLUE, linewidth=0.8
    )
    axes.set(ylabel="open", ylim=(0, None), title="Answers under way at once")


def _by_process(  # noqa: PLR0917
    axes: Any, began: float, samples: Sequence[Sample], what: str, label: str, title: str
) -> None:
    names = {name for sample in samples for name in sample[what]}  # type: ignore[literal-required]
    means = {n: np.mean([s[what].get(n, 0.0) for s in samples]) for n in names}  # type: ignore[literal-required]
    for name, colour in zip(sorted(names, key=lambda n: -means[n]), _COLOURS, strict=False):
        values = [sample[what].get(name, np.nan) for sample in samples]  # type: ignore[literal-required]
        axes.plot([s["at"] - began for s in samples], values, color=colour, label=name)
    axes.set(ylabel=label, ylim=(0, None), title=title)
    _legend(axes, 4)


def _legend(axes: Any, columns: int) -> None:
    """Below the plot, where no curve is."""
    axes.legend(
        frameon=False,
        fontsize=8,
        ncols=columns,
        loc="upper center",
        bbox_to_anchor=(0.5, -0.18),
    )


def _plain_ticks(axis: Any) -> None:
    """1, 2, 5, 10, 20 … in figures, where a scale is logarithmic."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _distribution(axes: Any, plan: Plan, stage: Stage) -> None:
    for caches, less, colour, label in (
        (("miss",), plan.ttft_ms, ORANGE, "miss: added to the model's own"),
        (("exact",), 0.0, BLUE, "exact: in all"),
    ):
        ms = sorted(each["first"] * 1000 - less for each in stage.of(*ASKED, cache=caches))
        if ms:
            axes.plot(ms, np.arange(1, len(ms) + 1) / len(ms) * 100, color=colour, label=label)
    axes.set(
        xlabel="ms to the first token",
        xscale="log",
        ylabel="% of answers",
        ylim=(0, 100),
        title=f"First token with {stage.users:,} users",
    )
    _plain_ticks(axes.xaxis)
    _legend(axes, 2)
