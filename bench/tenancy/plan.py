"""What is measured: data sets, the layouts each is stored in, and the two grids."""

from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any, Self

DIMENSIONS = 256


class Layout(StrEnum):
    """How chunks are stored, and what a search is filtered by."""

    NO_FILTER = "no filter"
    NO_INDEX = "tenant filter, no index"
    IS_TENANT = "tenant filter, is_tenant"
    SHARDS = "a shard per tenant"

    @property
    def stored_as(self) -> "Store":
        return {Layout.IS_TENANT: Store.BY_TENANT, Layout.SHARDS: Store.APART}.get(
            self, Store.PLAIN
        )


class Store(StrEnum):
    """What is on the disk. Searches with and without a filter share a plain shard."""

    PLAIN = "plain"  # one graph over everything, no index of tenants
    BY_TENANT = "by-tenant"  # the product's: an index of tenants, a graph for each large one
    APART = "apart"  # the product's shard, one for each tenant


@dataclass(frozen=True, slots=True)
class Dataset:
    """So many chunks of so many tenants, of one size each or of sizes by Zipf's law."""

    chunks: int
    tenants: int
    skewed: bool = False

    @property
    def name(self) -> str:
        return f"{self.chunks}-{self.tenants}-{'zipf' if self.skewed else 'uniform'}"

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def parse(cls, name: str) -> Self:
        chunks, tenants, sizes = name.split("-")
        return cls(int(chunks), int(tenants), sizes == "zipf")


@dataclass(frozen=True, slots=True)
class Plan:
    """Data sets with the layouts to store each in; of two, the tenants are of equal size."""

    grid: tuple[tuple[Dataset, tuple[Layout, ...]], ...]
    few: Dataset
    many: Dataset
    shard_counts: tuple[int, ...]
    queries: int
    seconds: float  # for each kind of query, in each cell
    rounds: int  # of the comparison


def _grid(
    totals: dict[int, tuple[int, ...]], most_shards: int
) -> list[tuple[Dataset, tuple[Layout, ...]]]:
    cells: list[tuple[Dataset, tuple[Layout, ...]]] = []
    for chunks, counts in totals.items():
        for tenants in counts:
            even = Dataset(chunks, tenants)
            layouts = [Layout.NO_INDEX, Layout.IS_TENANT]
            if tenants == 1:  # without a filter, tenants make no difference
                layouts.insert(0, Layout.NO_FILTER)
            if tenants <= most_shards:
                layouts.append(Layout.SHARDS)
            cells.append((even, tuple(layouts)))
            if tenants > 1:
                cells.append((replace(even, skewed=True), (Layout.IS_TENANT,)))
    return cells


QUICK = Plan(
    grid=(
        *_grid({2_000: (1, 10), 10_000: (100,)}, most_shards=10),
        (Dataset(20_000, 1_000), (Layout.IS_TENANT,)),
        (Dataset(200, 10), (Layout.IS_TENANT,)),
    ),
    few=Dataset(200, 10),
    many=Dataset(20_000, 1_000),
    shard_counts=(1, 10),
    queries=200,
    seconds=0.3,
    rounds=3,
)

FULL = Plan(
    grid=(
        *_grid(
            {10_000: (1, 10, 100, 1_000), 100_000: (1, 10, 100, 1_000, 10_000)}, most_shards=100
        ),
        (Dataset(1_000_000, 10_000), (Layout.IS_TENANT,)),
        (Dataset(1_000_000, 10_000, skewed=True), (Layout.IS_TENANT,)),
    ),
    few=Dataset(10_000, 100),
    many=Dataset(1_000_000, 10_000),
    shard_counts=(1, 10, 30, 100),
    queries=1_000,
    seconds=2.0,
    rounds=7,
)
