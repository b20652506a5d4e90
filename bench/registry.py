"""All benches, each one entry: its name, what it measures, how, and the goals of its figures."""

from bench import failover, overload
from bench.caching import hit
from bench.generations import coalescing
from bench.generations import cost as generations
from bench.measure import AtLeast, AtMost, Bench
from bench.micro import gate, ingest, memory, overhead, stall, start, traces
from bench.retrieval import served as retrieval

BENCHES = (
    Bench(
        "start",
        "`carrel serve`, from exec to /readyz 200",
        start.measure,
        {"fresh data folder": AtMost(3000), "second start": AtMost(3000)},
    ),
    Bench(
        "memory",
        "all processes after the demo's documents and questions (PSS)",
        memory.measure,
        {"all processes": AtMost(400), "all processes, parsers gone": AtMost(400)},
    ),
    Bench(
        "overhead",
        "a streamed answer, against the same prompt sent to the LLM directly",
        overhead.measure,
        {
            "added to first delta, p50": AtMost(5),
            "added to first delta, p99": AtMost(20),
            "added to whole answer, p50": AtMost(5),
            "added to whole answer, p99": AtMost(20),
        },
    ),
    Bench(
        "stall",
        "the API's event loop, and searches, while chunks are ingested and optimised",
        stall.measure,
        {
            "event loop, ingesting": AtMost(20),
            "event loop, optimising": AtMost(20),
            "longest search, optimising": AtMost(500),
        },
    ),
    Bench(
        "gate",
        "admit, reserve and finish a request, in memory and with Redis",
        gate.measure,
        {f"round trips to {step}": AtMost(1) for step in gate.STEPS},
    ),
    Bench(
        "failover",
        "an API process killed, then both renewed, while 200 readers stream through nginx",
        failover.measure,
        {"renewed: streams cut": AtMost(0), "renewed: questions without an answer": AtMost(0)},
    ),
    Bench(
        "hit",
        "an answer that was given before, against a bare FastAPI route with one GET of Redis",
        hit.measure,
        {
            "in Redis against bare, 32 clients": AtLeast(0.7),
            "in memory against bare, 32 clients": AtLeast(0.9),
        },
    ),
    Bench(
        "overload",
        "more questions than the model can answer; a quiet tenant beside a greedy one",
        overload.measure,
        {
            f"{figure}, {setup}": goal
            for setup in ("adaptive", "capacity set")
            for figure, goal in overload.GOALS.items()
        },
    ),
    Bench(
        "generations",
        "the log of a generation, by token: leaders, readers, memory and Redis",
        generations.measure,
    ),
    Bench(
        "traces",
        "processor time of an answer, cached and streamed, with traces off and on",
        traces.measure,
    ),
    Bench(
        "coalescing",
        "text that is there already, sent as one event: on and off, in turns",
        coalescing.measure,
    ),
    Bench("ingest", "Markdown, from upload to ready", ingest.measure),
    Bench(
        "retrieval",
        "public data sets, uploaded and searched over HTTP with the default embedder",
        retrieval.measure,
        {"xquad-en nDCG@10": AtLeast(0.965), "chunkeval nDCG@10": AtLeast(0.765)},
    ),
)
