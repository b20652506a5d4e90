"""Prometheus metrics: names, labels and buckets in one place. Labels are bounded."""

from prometheus_client import (
    GC_COLLECTOR,
    PROCESS_COLLECTOR,
    REGISTRY,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)

from carrel.telemetry import joint

joint.join()
# They read /proc in the event loop; a node exporter tells the same of every process.
REGISTRY.unregister(PROCESS_COLLECTOR)
REGISTRY.unregister(GC_COLLECTOR)

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)

requests = Counter(
    "carrel_http_requests_total",
    "Requests by route, method and status.",
    ("route", "method", "status"),
)
request_seconds = Histogram(
    "carrel_http_request_seconds",
    "Time to the end of a response.",
    ("route",),
    buckets=SECONDS,
)
stage_seconds = Histogram(
    "carrel_answer_stage_seconds",
    "Time of an answer's stages; first_token is counted from the start.",
    ("stage",),
    buckets=SECONDS,
)
answers = Counter(
    "carrel_answers_total",
    "Answers by finish reason; unfinished: failed, or left by its reader.",
    ("finish_reason",),
)
feedback = Counter(
    "carrel_answer_feedback_total", "What readers said of answers: positive, negative.", ("rating",)
)
checked_out = Counter(
    "carrel_answer_checked_out_total",
    "What was taken out of answers: links that no cited source holds, and marks of sources that "
    "do not support them. A rise says that documents, or the model, are up to something.",
    ("what",),
)
streams_in_flight = Gauge(
    "carrel_streams_in_flight", "Answers being streamed now.", multiprocess_mode="livesum"
)
isolation_violations = Counter(
    "carrel_isolation_violations_total",
    "Points of another tenant that a vector store returned. Anything but 0 is an alarm.",
)
generation_readers = Counter(
    "carrel_generation_readers_total",
    "Readers of generations by how they began: leader, or follower of one that was there.",
    ("role",),
)
generation_takeovers = Counter(
    "carrel_generation_takeovers_total",
    "Generations begun again here, because whoever led was dead or could not be reached.",
)
generations_cancelled = Counter(
    "carrel_generations_cancelled_total", "Generations cut here because nobody read them any more."
)
redis_up = Gauge(
    "carrel_redis_up",
    "1: Redis answers. 0: it does not, or none is used.",
    multiprocess_mode="livemin",
)
redis_failures = Counter(
    "carrel_redis_failures_total", "Calls to Redis that failed, or took longer than they may."
)
limit_refusals = Counter(
    "carrel_limit_refusals_total",
    "Requests refused; kind: requests, tokens, concurrent or budget.",
    ("kind",),
)
local_admissions = Counter(
    "carrel_local_admissions_total",
    "Requests admitted at this replica's share of the limits, because Redis was down.",
)
usage_pending = Gauge(
    "carrel_usage_pending_events",
    "Usage events that are not in SQL yet.",
    multiprocess_mode="livesum",
)
usage_recovered = Counter(
    "carrel_usage_recovered_events_total",
    "Usage events read from the journals of processes that were killed, or that SQL kept waiting.",
)
usage_journal_errors = Counter(
    "carrel_usage_journal_errors_total", "Usage records that the local disk did not take."
)
usage_lost = Counter(
    "carrel_usage_lost_events_total",
    "Usage events that neither SQL nor the disk took. Anything but 0 is an alarm.",
)

embedding_tokens = Counter(
    "carrel_embedding_tokens_total",
    "Tokens that an embedding service was sent; by purpose: query, documents.",
    ("purpose",),
)
query_vectors = Counter(
    "carrel_query_vectors_total",
    "Questions whose vector was remembered (hit), or had to be made (miss).",
    ("outcome",),
)
cache_lookups = Counter(
    "carrel_cache_lookups_total",
    "Questions looked up; by kind (exact, semantic, shared, retrieval) and outcome: hit, miss; "
    "fresh: the corpus had changed, the evidence had not; stale: both had.",
    ("kind", "outcome"),
)
cache_saved = Counter(
    "carrel_cache_saved_micro_usd_total",
    "What answers would have cost that were served without a model; by kind.",
    ("kind",),
)
cache_age_seconds = Histogram(
    "carrel_cache_age_seconds",
    "How old the answers were that were served again.",
    ("kind",),
    buckets=(1, 10, 60, 600, 3_600, 21_600, 86_400, 604_800),
)
cache_bytes = Gauge(
    "carrel_cache_bytes",
    "Memory that a cache of this process holds; by what is in it.",
    ("what",),
    multiprocess_mode="livesum",
)
semantic_candidates = Counter(
    "carrel_semantic_candidates_total",
    "Similar cached questions, by what the guards said: agrees, or a word for the difference.",
    ("outcome",),
)
rerank_seconds = Histogram(
    "carrel_rerank_seconds", "Time a reranker took for a question.", buckets=SECONDS
)
rerank_fallbacks = Counter(
    "carrel_rerank_fallbacks_total",
    "Questions answered in the fused order because the reranker did not do its part; "
    "by reason: timeout, unavailable, busy, bad_answer.",
    ("reason",),
)

loop_lag_seconds = Histogram(
    "carrel_event_loop_lag_seconds",
    "By how much a sleep of 10 ms overran.",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1),
)
loop_lag_max_seconds = Gauge(
    "carrel_event_loop_lag_max_seconds",
    "The largest overrun of the last 15 to 30 seconds.",
    multiprocess_mode="livemax",
)


def exposition() -> bytes:
    """All metrics of this server's processes in Prometheus' text format; it reads files."""
    return generate_latest(joint.registry())
