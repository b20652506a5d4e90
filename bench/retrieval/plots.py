"""Two plots of a quality report, as SVG. They need matplotlib, which only the benches do."""

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.retrieval.fusions import ALPHAS, used

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito's colours: told apart by everyone.
BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#777777"

Report = dict[str, Any]


def missing() -> str:
    """What to do where matplotlib is not installed; nothing where it is."""
    if find_spec("matplotlib"):
        return ""
    return "plots need matplotlib: uv sync --group bench (or: uv pip install matplotlib)"


def draw(report: Report, folder: Path) -> Path:
    """Write `quality.svg` into *folder*."""
    import matplotlib as mpl

    mpl.use("svg")
    # Text stays text, and the same figures make the same bytes.
    mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "carrel", "font.size": 10})
    mpl.rcParams.update({"axes.spines.top": False, "axes.spines.right": False})
    from matplotlib import pyplot as plt

    figure, (fusion, refusals) = plt.subplots(1, 2, figsize=(12, 4.6), layout="constrained")
    _fusion(fusion, report["fusion"])
    _refusals(refusals, report["setups"]["static"])
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "quality.svg"
    figure.savefig(path, format="svg", metadata={"Date": None}, facecolor="white")
    plt.close(figure)
    return path


def _fusion(axes: "Axes", figures: dict[str, float]) -> None:
    for name, colour in (("xquad-en", BLUE), ("chunkeval", ORANGE)):
        values = [figures[f"{alpha} {name} nDCG@10"] for alpha in ALPHAS]
        axes.plot(ALPHAS, values, "o-", color=colour, label=f"{name}, convex")
        rrf = figures[f"rrf {name} nDCG@10"]
        axes.axhline(rrf, color=colour, linestyle=":", label=f"{name}, reciprocal ranks")
    axes.axvline(used(), color=GREY, linewidth=0.8)
    axes.annotate("the product's", (used(), 0.83), color=GREY, ha="right", rotation=90)
    axes.set(xlabel="share of BM25 (0: meaning alone, 1: words alone)", ylabel="nDCG@10")
    axes.set_title("Fusion, static embedder")
    axes.legend(frameon=False, fontsize=8, loc="center right", bbox_to_anchor=(0.72, 0.15))


def _refusals(axes: "Axes", figures: dict[str, float]) -> None:
    rows = [
        (name.partition(": ")[2], value, name.startswith("rightly"))
        for name, value in figures.items()
        if name.startswith(("rightly refused", "wrongly refused"))
    ]
    rows.sort(key=lambda row: (row[2], row[1]))
    colours = [GREEN if right else ORANGE for _, _, right in rows]
    bars = axes.barh([row[0] for row in rows], [100 * row[1] for row in rows], color=colours)
    labels = axes.bar_label(bars, fmt="%.1f%%", padding=3)
    for label in labels:
        label.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 0.5})
    for goal, colour in ((90, GREEN), (5, ORANGE)):
        axes.axvline(goal, color=colour, linestyle=":", linewidth=1)
    axes.set(xlabel="refused, of 200 questions (%)", xlim=(0, 112))
    axes.set_title("Refused: rightly (goal 90%), wrongly (goal 5%)")
