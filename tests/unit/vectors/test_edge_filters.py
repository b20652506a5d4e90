from typing import cast

import pytest
from qdrant_edge import FieldCondition, Filter, MatchValue

from carrel.vectors import schema
from carrel.vectors.edge import filters, wire


@pytest.mark.parametrize(
    "made",
    [
        filters.of_tenant("ours"),
        filters.stored("ours", None),
        filters.stored("ours", "doc"),
        filters.visible("ours", ["everyone"]),
        filters.visible("ours", [], [wire.HasFact(["a"])], "doc"),
        filters.of_version("ours", "doc", 1),
        filters.of_versions("ours", "doc", before=2),
        filters.visible_among("ours", ["everyone"], ["00000000-0000-0000-0000-000000000000"]),
        filters.with_ids("ours", ["00000000-0000-0000-0000-000000000000"]),
    ],
)
def test_every_filter_demands_the_tenant_at_its_top_level(made: Filter) -> None:
    first = cast("FieldCondition", (made.must or [])[0])
    assert first.key == schema.TENANT
    assert cast("MatchValue", first.match).value == "ours"
    assert not made.should
    assert made.min_should is None
