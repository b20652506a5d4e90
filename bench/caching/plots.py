"""The sweep as SVG: false hits and paraphrases served, by threshold and embedder."""

from pathlib import Path
from typing import Any

# Okabe and Ito's colours: told apart by everyone.
BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#777777"
_SHOWN = {"similarity": ORANGE, "+ guards": BLUE, "+ guards + relaxed": GREEN}


def draw(report: dict[str, Any], folder: Path) -> Path:
    """Write `sweep.svg` into *folder*."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "carrel", "font.size": 10})
    mpl.rcParams.update({"axes.spines.top": False, "axes.spines.right": False})
    from matplotlib import pyplot as plt

    embedders = report["embedders"]
    figure, axes = plt.subplots(
        1, len(embedders), figsize=(6 * len(embedders), 4.4), layout="constrained", squeeze=False
    )
    for panel, (name, found) in zip(axes[0], embedders.items(), strict=True):
        for way, colour in _SHOWN.items():
            rows = found["sweep"][way]
            x = [row["threshold"] for row in rows]
            panel.plot(x, [100 * row["share_of_same"] for row in rows], color=colour, label=way)
            false = [100 * row["false_share"] for row in rows]
            panel.plot(x, false, color=colour, linestyle=":")
        panel.axvline(found["threshold"], color=GREY, linewidth=0.8)
        panel.set(xlabel="least cosine", ylabel="%", ylim=(0, 100), title=name)
    axes[0][0].legend(frameon=False, fontsize=8, title="served of paraphrases (…: false of served)")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "sweep.svg"
    figure.savefig(path, format="svg", metadata={"Date": None}, facecolor="white")
    plt.close(figure)
    return path
