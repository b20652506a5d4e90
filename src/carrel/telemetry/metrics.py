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
open_streams = Gauge("carrel_open_streams", "Answers being streamed now.")
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
answers_under_way = Gauge(
    "carrel_answers_under_way", "Answers being made now: searched for, or written."
)
answer_limit = Gauge(
    "carrel_answer_limit", "How many answers may be made at once; falls when first tokens are late."
)
overload_refusals = Counter(
    "carrel_overload_refusals_total",
    "Questions refused because there was no place: full, or share (the tenant had its own).",
    ("why",),
)
upstream_attempts = Counter(
    "carrel_upstream_attempts_total",
    "Requests to an upstream by how they ended: ok, left (by the reader), or a reason.",
    ("upstream", "outcome"),
)
upstream_passed_over = Counter(
    "carrel_upstream_passed_over_total",
    "Requests that went past an upstream: waiting (it asked for that), open (its breaker), full.",
    ("upstream", "why"),
)
upstream_retries = Counter(
    "carrel_upstream_retries_total",
    "Requests sent to another upstream after a failure: made, or refused (the budget was spent).",
    ("outcome",),
)
upstream_open = Gauge(
    "carrel_upstream_open", "1: the upstream's breaker is open, it is probed alone.", ("upstream",)
)
upstream_in_flight = Gauge(
    "carrel_upstream_in_flight", "Requests that the upstream is answering now.", ("upstream",)
)
upstream_first_token_seconds = Histogram(
    "carrel_upstream_first_token_seconds",
    "From asking an upstream to its first token.",
    ("upstream",),
    buckets=SECONDS,
)
redis_up = Gauge("carrel_redis_up", "1: Redis answers. 0: it does not, or none is used.")
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
usage_pending = Gauge("carrel_usage_pending_events", "Usage events that are not in SQL yet.")
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
    "carrel_cache_bytes", "Memory that a cache of this process holds; by what is in it.", ("what",)
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
    "carrel_event_loop_lag_max_seconds", "The largest overrun since the last scrape."
)


def observe_loop_lag(seconds: float) -> None:
    """Take in one overrun of the event loop."""
    global _largest_lag  # noqa: PLW0603 - a maximum that scrapes reset
    loop_lag_seconds.observe(seconds)
    _largest_lag = max(_largest_lag, seconds)


def _take_largest_lag() -> float:
    global _largest_lag
    largest, _largest_lag = _largest_lag, 0.0
    return largest


_largest_lag = 0.0
loop_lag_max_seconds.set_function(_take_largest_lag)


def exposition() -> bytes:
    """All metrics in Prometheus' text format."""
    return generate_latest(REGISTRY)
