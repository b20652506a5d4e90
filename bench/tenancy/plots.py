"""Four plots of a report, as SVG. They need matplotlib, which only this bench does."""

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.tenancy.plan import Layout
from bench.tenancy.run import AFTER, BEFORE, STATES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's colours: told apart by everyone.
COLOURS = {
    Layout.NO_FILTER.value: "#777777",
    Layout.NO_INDEX.value: "#D55E00",
    Layout.IS_TENANT.value: "#0072B2",
    Layout.SHARDS.value: "#009E73",
}
_KIND_COLOURS = {"dense top-10": "#56B4E9", "dense top-100": "#0072B2", "hybrid": "#CC79A7"}
_HIGHEST_RATIO = 3  # one disturbed round would flatten all the others

Report = dict[str, Any]


def missing() -> str:
    """What to do where matplotlib is not installed; nothing where it is."""
    if find_spec("matplotlib"):
        return ""
    return "--plots needs matplotlib: uv sync --group bench (or: uv pip install matplotlib)"


def draw(report: Report, folder: Path) -> list[Path]:
    """Write the plots into *folder*; those for which nothing was measured are left out."""
    import matplotlib as mpl

    mpl.use("svg")
    # Text stays text, and the same figures make the same bytes.
    mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "carrel", "font.size": 10})
    mpl.rcParams.update({"axes.spines.top": False, "axes.spines.right": False})
    folder.mkdir(parents=True, exist_ok=True)
    plots = {
        "layouts": ("cells", _layouts),
        "tenant-size": ("cells", _tenant_size),
        "many-tenants": ("duels", _duels),
        "shards": ("crowds", _crowds),
    }
    return [
        _write(plot(report), folder / f"{name}.svg")
        for name, (needed, plot) in plots.items()
        if report[needed]
    ]


def _write(figure: "Figure", path: Path) -> Path:
    figure.savefig(path, format="svg", metadata={"Date": None}, facecolor="white")
    return path


def _layouts(report: Report) -> "Figure":
    """Times by number of tenants, of the largest data set that has all layouts."""
    chunks = max(c["chunks"] for c in report["cells"] if c["layout"] == Layout.NO_FILTER.value)
    figure, panels = _panels()
    for panel, kind in zip(panels, ("dense top-10", "hybrid"), strict=True):
        mine = [
            cell
            for cell in report["cells"]
            if cell["chunks"] == chunks and cell["state"] == AFTER and not cell["skewed"]
        ]
        most = max(cell["tenants"] for cell in mine)
        for layout, colour in COLOURS.items():
            points = sorted((c["tenants"], c["kinds"][kind]) for c in mine if c["layout"] == layout)
            if layout == Layout.NO_FILTER.value:  # one measurement: tenants make no difference
                points = [(tenants, points[0][1]) for tenants in (1, most)]
            _line(panel, points, colour, layout)
        _log_log(panel, "tenants", kind)
    panels[0].set_ylabel("milliseconds: p50 (line), p99 (dots)")
    figure.suptitle(f"{chunks:,} chunks, optimised: four ways to keep tenants apart")
    _legend(figure, panels[0])
    return figure


def _tenant_size(report: Report) -> "Figure":
    """Times of the product's layout by the size of a tenant, whatever lies beside it."""
    figure, panels = _panels()
    colours = ("#E69F00", "#56B4E9", "#0072B2", "#000000")
    totals = sorted({cell["chunks"] for cell in report["cells"]})[-3:]
    for panel, state in zip(panels, STATES, strict=True):
        for chunks, colour in zip(totals, colours, strict=False):
            points = sorted(
                (cell["chunks"] // cell["tenants"], cell["kinds"]["hybrid"])
                for cell in report["cells"]
                if (cell["chunks"], cell["state"]) == (chunks, state)
                and cell["layout"] == Layout.IS_TENANT.value
                and not cell["skewed"]
            )
            _line(panel, points, colour, f"{chunks:,} chunks in all")
        _log_log(panel, "chunks of the tenant", state)
    panels[0].set_ylabel("milliseconds: p50 (line), p99 (dots)")
    figure.suptitle("Hybrid search, tenant filter with is_tenant")
    _legend(figure, panels[0])
    return figure


def _duels(report: Report) -> "Figure":
    """Each round's ratio as a dot, that of all rounds as a bar."""
    figure, panels = _panels()
    for panel, quantile in zip(panels, ("p50", "p99"), strict=True):
        labels: list[str] = []
        for state, duel in ((duel["state"], duel) for duel in report["duels"]):
            for kind, figures in duel["kinds"].items():
                x = len(labels)
                ratio = figures["ratio"][quantile]
                colour = _KIND_COLOURS[kind]
                panel.bar(x, ratio["all"], width=0.7, color=colour, alpha=0.35)
                inside = [min(value, _HIGHEST_RATIO) for value in ratio["rounds"]]
                panel.scatter([x] * len(inside), inside, s=14, color=colour, clip_on=False)
                panel.scatter([x], [ratio["noise"]], marker="_", s=160, color="black", zorder=3)
                labels.append(f"{kind}\n{state}")
        panel.axhline(1, color="#777777", linewidth=0.8)
        if quantile == "p99":
            panel.axhline(1.25, color="#D55E00", linewidth=1, linestyle="--")
            panel.annotate("goal", (-0.4, 1.26), color="#D55E00", va="bottom")
        panel.set_xticks(range(len(labels)), labels, rotation=40, ha="right", fontsize=8)
        panel.set_ylim(0, _HIGHEST_RATIO)
        panel.set_title(quantile, fontsize=10)
    few, many = report["duels"][0]["few"], report["duels"][0]["many"]
    panels[0].set_ylabel("time with many / time with few")
    figure.suptitle(
        f"{many['tenants']:,} tenants against {few['tenants']:,}, "
        f"{few['chunks'] // few['tenants']} chunks each, searched in turn\n"
        f"bar: all rounds; dots: each round (at most {_HIGHEST_RATIO}); "
        "black: the few against themselves (noise)"
    )
    return figure


def _crowds(report: Report) -> "Figure":
    """Memory and mapped regions by open shards, drawn on to where the kernel says no."""
    figure, panels = _panels(same_scale=False)
    crowds = [crowd for crowd in report["crowds"] if crowd["state"] == BEFORE]
    last = crowds[-1]
    limit = last["max_mappings"] / last["mappings"]
    reach = (last["shards"], 10_000)
    sums = (
        ("resident memory, GB", lambda c: (c["own_mb"] + c["files_mb"]) / 1024),
        ("mapped regions", lambda c: c["mappings"]),
    )
    for panel, (title, each) in zip(panels, sums, strict=True):
        counts = [crowd["shards"] for crowd in crowds]
        panel.plot(counts, [each(c) * c["shards"] for c in crowds], "o-", color="#009E73")
        panel.plot(reach, [each(last) * n for n in reach], ":", color="#009E73")
        panel.axvline(limit, color="#D55E00", linewidth=1, linestyle="--")
        _log_log(panel, "open shards", title)
    panels[1].axhline(last["max_mappings"], color="#D55E00", linewidth=1, linestyle="--")
    panels[1].annotate(
        f"vm.max_map_count:\n{limit:,.0f} shards", (limit * 0.85, 200), color="#D55E00", ha="right"
    )
    figure.suptitle("A shard per tenant: measured (line), carried on (dots)")
    return figure


def _panels(*, same_scale: bool = True) -> tuple["Figure", list["Axes"]]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4.2), layout="constrained")
    return figure, list(figure.subplots(1, 2, sharey=same_scale))


def _line(panel: "Axes", points: list[tuple[int, dict[str, float]]], colour: str, label: str):
    if not points:
        return
    at = [x for x, _ in points]
    p50, p99 = ([figures[key] for _, figures in points] for key in ("p50_ms", "p99_ms"))
    panel.plot(at, p50, "o-", color=colour, label=label, markersize=4)
    panel.plot(at, p99, color=colour, linewidth=0.9, linestyle=":")


def _log_log(panel: "Axes", x: str, title: str) -> None:
    from matplotlib.ticker import FuncFormatter, NullFormatter

    panel.set_xscale("log")
    panel.set_yscale("log")
    for axis in (panel.xaxis, panel.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
        axis.set_minor_formatter(NullFormatter())
    panel.set_xlabel(x)
    panel.set_title(title, fontsize=10)
    panel.grid(visible=True, which="major", alpha=0.25)


def _legend(figure: "Figure", panel: "Axes") -> None:
    handles, labels = panel.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False)
