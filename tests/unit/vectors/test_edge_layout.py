from carrel.vectors.edge.layout import FULL_SCAN_KILOBYTES, clear_threshold


def test_no_tenant_is_as_large_as_the_threshold():
    assert clear_threshold([], 256) == FULL_SCAN_KILOBYTES
    assert clear_threshold([9_999, 10_001], 256) == FULL_SCAN_KILOBYTES
    assert clear_threshold([10_000, 9_999, 9_998, 5], 256) == FULL_SCAN_KILOBYTES - 3


def test_sizes_are_compared_in_kilobytes_of_vectors():
    assert clear_threshold([10_000], 384) == FULL_SCAN_KILOBYTES
    assert clear_threshold([5_000], 512) == FULL_SCAN_KILOBYTES - 1
