"""The two goals: a tenant's search finds what is nearest, and does not slow down as tenants come.

Recall is that of the product's layout, of the worst data set, state and size of
tenant. Slowness is a ratio of times taken in turn: see `duel`.
"""

from collections.abc import Iterator
from typing import Any

from bench.measure import AtLeast, AtMost, Bench, Figure, Outcome, Run
from bench.tenancy.plan import Layout
from bench.tenancy.run import STATES

# Of fewer queries a mean says little: one that finds nine of ten moves it by 0.003.
ENOUGH_QUERIES = 30

RECALL = "recall@10 of a tenant, at worst"
SEARCHES = ("dense top-10", "hybrid")
GOALS = {RECALL: AtLeast(0.99)} | {
    f"p99 of {kind}, many tenants / few, {state}": AtMost(1.25)
    for kind in SEARCHES
    for state in STATES
}


def outcome(report: dict[str, Any], seconds: float) -> Outcome:
    bench = Bench("tenancy", "a tenant's search among many tenants", _not_here, GOALS)
    return Outcome(bench, [*_figures(report)], seconds)


def _figures(report: dict[str, Any]) -> Iterator[Figure]:
    recalls = [*_recalls(report["cells"])]
    if recalls:
        lowest, where = min(recalls)
        yield Figure(RECALL, lowest, "", where)
    for duel in report["duels"]:
        for kind in SEARCHES:
            for quantile in ("p50", "p99"):
                ratio = duel["kinds"][kind]["ratio"][quantile]
                rounds = ratio["rounds"]
                yield Figure(
                    f"{quantile} of {kind}, many tenants / few, {duel['state']}",
                    ratio["all"],
                    "",
                    f"rounds {min(rounds):.2f} to {max(rounds):.2f}; of each question's "
                    f"fastest time {duel['kinds'][kind]['fastest'][quantile]:.2f}; "
                    f"the few against themselves {ratio['noise']:.2f}",
                )


def _recalls(cells: list[dict[str, Any]]) -> Iterator[tuple[float, str]]:
    for cell in cells:
        if cell["layout"] != Layout.IS_TENANT.value:
            continue
        skew = "skewed" if cell["skewed"] else "even"
        for size, found in cell["kinds"]["dense top-10"]["recall"]["by_size"].items():
            if found["queries"] >= ENOUGH_QUERIES:
                where = (
                    f"{cell['chunks']:,} chunks, {cell['tenants']:,} tenants, {skew}, "
                    f"{cell['state']}; tenants of {size} chunks and more"
                )
                yield found["recall"], where


async def _not_here(run: Run) -> list[Figure]:
    raise NotImplementedError("it runs by itself: python -m bench.tenancy")
