import asyncio
import subprocess
import sys
from collections.abc import AsyncGenerator, Iterator

import pytest

from carrel.telemetry import metrics, trace
from carrel.telemetry.loop import WINDOW_SECONDS, LargestLag
from carrel.telemetry.stages import Stages, observe_past, timed
from carrel.telemetry.trace import NOTHING, Span

CALLER = f"00-{'a1' * 16}-{'b2' * 8}-01"


@pytest.fixture
def ended() -> Iterator[list[Span]]:
    spans: list[Span] = []
    trace.turn_on(spans.append)
    yield spans
    trace.turn_off()
    trace._current.set(None)


def test_off_there_are_no_spans_and_no_headers() -> None:
    assert trace.begin("GET", "server", CALLER) is None
    assert trace.span("x") is NOTHING
    assert trace.whole() is NOTHING
    assert (trace.headers(), trace.traceparent(), trace.trace_id()) == (None, None, None)


def test_off_a_stage_is_timed_all_the_same() -> None:
    stages = Stages()
    with stages.time("x") as span:
        span.set(number=1)
        span.event("y")
    assert list(stages.milliseconds) == ["x"]


def test_a_server_that_traces_nothing_imports_nothing_for_it() -> None:
    names = "'opentelemetry.sdk', 'opentelemetry.proto'"
    code = (
        f"import sys, carrel.asgi, carrel.working; sys.exit(any(map(sys.modules.get, [{names}])))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_callers_trace_is_gone_on_with(ended: list[Span]) -> None:
    begun = trace.begin("GET", "server", CALLER)
    assert begun
    assert (begun.trace_id, begun.parent_id) == ("a1" * 16, "b2" * 8)
    with trace.span("inner") as inner:
        assert isinstance(inner, Span)
        assert trace.headers() == {"traceparent": f"00-{'a1' * 16}-{inner.span_id}-01"}
        assert inner.parent_id == begun.span_id
    begun.end()
    begun.end()
    assert ended == [inner, begun]


@pytest.mark.parametrize(
    "header",
    [
        "",
        "nonsense",
        CALLER.upper(),
        CALLER[:-1],
        "ff" + CALLER[2:],
        f"00-{'0' * 32}-{'b2' * 8}-01",
        f"00-{'a1' * 16}-{'0' * 16}-01",
        CALLER + "\n",
        "00-" + "a" * 100_000,
    ],
)
def test_a_header_that_is_none_begins_a_trace_of_ours(ended: list[Span], header: str) -> None:
    begun = trace.begin("GET", "server", header)
    assert begun
    assert begun.parent_id is None
    assert begun.trace_id != "a1" * 16


def test_a_later_version_of_the_header_is_read_as_far_as_it_is_known(ended: list[Span]) -> None:
    begun = trace.begin("GET", "server", "01" + CALLER[2:] + "-more")
    assert begun
    assert begun.parent_id == "b2" * 8


@pytest.mark.parametrize(
    ("ratio", "follows", "flags", "recorded"),
    [
        (1.0, False, "00", True),
        (0.0, False, "01", False),
        (0.0, True, "01", True),
        (1.0, True, "00", False),
    ],
)
def test_a_callers_flag_counts_only_where_that_is_set(
    ratio: float, follows: bool, flags: str, recorded: bool
) -> None:
    spans: list[Span] = []
    trace.turn_on(spans.append, ratio=ratio, follows=follows)
    try:
        begun = trace.begin("GET", "server", CALLER[:-2] + flags)
        assert begun
        with trace.span("inner"):
            assert str(trace.traceparent()).endswith("01" if recorded else "00")
        begun.end()
    finally:
        trace.turn_off()
        trace._current.set(None)
    assert bool(spans) == recorded


def test_a_ratio_records_about_its_share() -> None:
    spans: list[Span] = []
    trace.turn_on(spans.append, ratio=0.25)
    try:
        for _ in range(2_000):
            begun = trace.begin("GET", "server", CALLER)
            assert begun
            begun.end()
    finally:
        trace.turn_off()
        trace._current.set(None)
    assert 350 < len(spans) < 650


def test_another_process_of_ours_decides_for_the_whole_trace() -> None:
    spans: list[Span] = []
    trace.turn_on(spans.append, ratio=0.0)
    try:
        begun = trace.begin("job", "consumer", CALLER, own=True)
        assert begun
        begun.end()
    finally:
        trace.turn_off()
        trace._current.set(None)
    assert len(spans) == 1


def test_an_error_is_told_by_its_type_alone(ended: list[Span]) -> None:
    begun = trace.begin("GET", "server")
    with pytest.raises(ValueError, match="secret"), trace.span("x"):
        raise ValueError("secret")
    assert begun
    (span,) = ended
    assert (span.fault, span.attributes) == ("ValueError", {"error.type": "ValueError"})


def test_a_reader_who_leaves_is_no_error(ended: list[Span]) -> None:
    trace.begin("GET", "server")
    with pytest.raises(asyncio.CancelledError), trace.span("x"):
        raise asyncio.CancelledError
    assert ended[0].fault is None
    assert [name for name, _ in ended[0].events] == ["left"]


async def test_a_span_of_a_generator_may_end_in_another_task(ended: list[Span]) -> None:
    begun = trace.begin("GET", "server")
    assert begun

    async def numbers() -> AsyncGenerator[int]:
        with trace.span("numbers"):
            yield 1
            yield 2

    each = numbers()
    await anext(each)
    await asyncio.create_task(each.aclose())
    assert [span.name for span in ended] == ["numbers"]
    assert ended[0].parent_id == begun.span_id


async def test_what_runs_at_the_same_time_is_kept_apart(ended: list[Span]) -> None:
    begun = trace.begin("GET", "server")
    assert begun

    async def work(name: str) -> None:
        with trace.span(name):
            await asyncio.sleep(0)
            with trace.span(f"{name}.inner"):
                await asyncio.sleep(0)

    await asyncio.gather(work("a"), work("b"))
    parents = {span.name: span.parent_id for span in ended}
    ids = {span.name: span.span_id for span in ended}
    assert parents == {
        "a": begun.span_id,
        "b": begun.span_id,
        "a.inner": ids["a"],
        "b.inner": ids["b"],
    }


def test_what_is_timed_is_a_span_and_a_measurement(ended: list[Span]) -> None:
    trace.begin("GET", "server")
    histogram = metrics.retrieval_seconds.labels("embed")
    before = histogram._sum.get()
    with timed(histogram, "embed"):
        pass
    assert ended[0].name == "embed"
    assert histogram._sum.get() > before


@pytest.mark.parametrize(
    ("said", "taken"), [(0.5, 0.5), (-1, 0), (float("nan"), 0), (float("inf"), 0), (1e9, 0)]
)
def test_what_another_process_did_is_a_span_in_the_past(
    ended: list[Span], said: float, taken: float
) -> None:
    trace.begin("job", "consumer")
    observe_past(metrics.ingestion_seconds.labels("chunk"), "chunk", said)
    assert (ended[0].ended_ns - ended[0].started_ns) / 1e9 == pytest.approx(taken, abs=0.1)


def test_the_largest_lag_is_seen_for_a_window_after_it_and_then_forgotten() -> None:
    largest = LargestLag()
    largest.observe(0.5, 100.0)
    for at in (101.0, 100.0 + WINDOW_SECONDS, 101.0 + WINDOW_SECONDS):
        largest.observe(0.01, at)
        assert metrics.loop_lag_max_seconds._value.get() == 0.5
    largest.observe(0.01, 101.0 + 2 * WINDOW_SECONDS)
    assert metrics.loop_lag_max_seconds._value.get() == 0.01
