"""The panels of the Grafana dashboard, row by row; `make_dashboard` makes a file of them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Panel:
    """A chart: PromQL by what the legend calls it. *unit* is Grafana's name of one."""

    title: str
    queries: dict[str, str]
    unit: str = "short"
    says: str = ""
    stat: bool = False
    width: int = 8


def rate(metric: str, by: str = "", where: str = "") -> str:
    """The rate of a counter, summed."""
    grouped = f" by ({by})" if by else ""
    chosen = f"{{{where}}}" if where else ""
    return f"sum{grouped} (rate({metric}{chosen}[$__rate_interval]))"


def dollars(metric: str, by: str) -> str:
    """Dollars an hour."""
    return f"sum by ({by}) (rate({metric}[1h])) * 3600 / 1e6"


def quantile(share: float, metric: str, by: str = "", where: str = "") -> str:
    """A quantile of a histogram."""
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({share}, {rate(f'{metric}_bucket', labels, where)})"


def quantiles(metric: str, where: str = "") -> dict[str, str]:
    return {
        f"p{share * 100:g}": quantile(share, metric, where=where) for share in (0.5, 0.95, 0.99)
    }


ERRORS = "carrel:requests:error_ratio_rate"
V1 = 'route=~"/v1/.*"'
HITS = 'outcome=~"hit|fresh"'

ROWS: dict[str, tuple[Panel, ...]] = {
    "At a glance": (
        Panel(
            "Requests",
            {"": rate("carrel_http_requests_total", where=V1)},
            "reqps",
            stat=True,
            width=4,
        ),
        Panel(
            "Errors of ours",
            {"": "carrel:requests:error_ratio_rate5m"},
            "percentunit",
            stat=True,
            width=4,
        ),
        Panel(
            "Slow first tokens",
            {"": "carrel:first_token:slow_ratio_rate5m"},
            "percentunit",
            "Later than 2.5 s.",
            stat=True,
            width=4,
        ),
        Panel("Streams in flight", {"": "sum(carrel_streams_in_flight)"}, stat=True, width=4),
        Panel(
            "Saved by caches today",
            {"": "sum(increase(carrel_cache_saved_micro_usd_total[1d])) / 1e6"},
            "currencyUSD",
            stat=True,
            width=4,
        ),
        Panel(
            "Isolation violations",
            {"": "sum(increase(carrel_isolation_violations_total[1d]))"},
            says="Anything but 0 is an alarm.",
            stat=True,
            width=4,
        ),
    ),
    "Traffic and errors": (
        Panel(
            "Requests by route",
            {"{{route}}": rate("carrel_http_requests_total", "route", V1)},
            "reqps",
        ),
        Panel(
            "Requests by status",
            {"{{status}}": rate("carrel_http_requests_total", "status")},
            "reqps",
        ),
        Panel(
            "Answers by how they ended",
            {"{{finish_reason}}": rate("carrel_answers_total", "finish_reason")},
            "reqps",
        ),
        Panel("Answers by tier", {"{{tier}}": rate("carrel_answers_total", "tier")}, "reqps"),
        Panel(
            "Streams in flight by server",
            {"{{instance}}": "sum by (instance) (carrel_streams_in_flight)"},
        ),
        Panel(
            "Error budget burnt, times what is sustainable",
            {window: f"{ERRORS}{window} / 0.001" for window in ("5m", "1h", "6h", "3d")},
            says="At 1, a month's errors last a month. Alerts: 14.4 (1h), 6 (6h), 3 (1d), 1 (3d).",
        ),
    ),
    "Latency": (
        Panel("Time to first token", quantiles("carrel_time_to_first_token_seconds"), "s"),
        Panel(
            "Time to first token, p95, by cache",
            {"{{cache}}": quantile(0.95, "carrel_time_to_first_token_seconds", "cache")},
            "s",
        ),
        Panel(
            "Time to first token, p95, by tier",
            {"{{tier}}": quantile(0.95, "carrel_time_to_first_token_seconds", "tier")},
            "s",
        ),
        Panel(
            "Stages of an answer, p95",
            {"{{stage}}": quantile(0.95, "carrel_answer_stage_seconds", "stage")},
            "s",
        ),
        Panel(
            "Time of a request, p99, by route",
            {"{{route}}": quantile(0.99, "carrel_http_request_seconds", "route", V1)},
            "s",
            "To the end of the response: of a stream, too.",
        ),
        Panel(
            "Steps of a search, p95",
            {"{{step}}": quantile(0.95, "carrel_retrieval_seconds", "step")},
            "s",
        ),
    ),
    "Caches": (
        Panel(
            "Hit rates",
            {
                "{{kind}}": f"{rate('carrel_cache_lookups_total', 'kind', HITS)}"
                f" / {rate('carrel_cache_lookups_total', 'kind')}"
            },
            "percentunit",
        ),
        Panel(
            "Look-ups by outcome",
            {"{{kind}} {{outcome}}": rate("carrel_cache_lookups_total", "kind, outcome")},
            "reqps",
        ),
        Panel(
            "Dollars saved an hour",
            {"{{kind}}": dollars("carrel_cache_saved_micro_usd_total", "kind")},
            "currencyUSD",
        ),
        Panel(
            "Age of what is given again, p50",
            {"{{kind}}": quantile(0.5, "carrel_cache_age_seconds", "kind")},
            "s",
        ),
        Panel(
            "Similar questions, by what the guards said",
            {"{{outcome}}": rate("carrel_semantic_candidates_total", "outcome")},
            "reqps",
        ),
        Panel(
            "Leaders and followers of generations",
            {
                "{{role}}": rate("carrel_generation_readers_total", "role"),
                "taken over": rate("carrel_generation_takeovers_total"),
                "cancelled": rate("carrel_generations_cancelled_total"),
            },
            "reqps",
        ),
    ),
    "Models": (
        Panel(
            "Requests to upstreams",
            {
                "{{upstream}} {{outcome}}": rate(
                    "carrel_upstream_attempts_total", "upstream, outcome"
                )
            },
            "reqps",
        ),
        Panel(
            "First token of an upstream, p95",
            {"{{upstream}}": quantile(0.95, "carrel_upstream_first_token_seconds", "upstream")},
            "s",
        ),
        Panel(
            "Upstreams that are not asked",
            {"{{upstream}}": "max by (upstream) (carrel_upstream_open)"},
        ),
        Panel(
            "Passed over, and asked again",
            {
                "{{upstream}} {{why}}": rate("carrel_upstream_passed_over_total", "upstream, why"),
                "again: {{outcome}}": rate("carrel_upstream_retries_total", "outcome"),
            },
            "reqps",
        ),
        Panel(
            "Requests in flight", {"{{upstream}}": "sum by (upstream) (carrel_upstream_in_flight)"}
        ),
        Panel(
            "Tokens",
            {
                "{{kind}}": rate("carrel_answer_tokens_total", "kind"),
                "embedded: {{purpose}}": rate("carrel_embedding_tokens_total", "purpose"),
            },
            "cps",
        ),
        Panel(
            "Taken out of answers",
            {"{{what}}": rate("carrel_answer_checked_out_total", "what")},
            "cps",
        ),
        Panel(
            "What readers said",
            {"{{rating}}": rate("carrel_answer_feedback_total", "rating")},
            "cps",
        ),
    ),
    "Budgets and limits": (
        Panel(
            "Dollars an hour",
            {"{{tier}}": dollars("carrel_spent_micro_usd_total", "tier")},
            "currencyUSD",
        ),
        Panel(
            "Reservations",
            {"{{outcome}}": rate("carrel_budget_reservations_total", "outcome")},
            "reqps",
            "shortened: the answer was made to fit what was left.",
        ),
        Panel("Refusals", {"{{kind}}": rate("carrel_limit_refusals_total", "kind")}, "reqps"),
        Panel(
            "Admitted at a share, for want of Redis",
            {"": rate("carrel_local_admissions_total")},
            "reqps",
        ),
        Panel(
            "Usage not in the database",
            {"{{instance}}": "sum by (instance) (carrel_usage_pending_events)"},
        ),
        Panel(
            "Usage lost, late, or not on disk",
            {
                "lost": "sum(increase(carrel_usage_lost_events_total[1h]))",
                "recovered": "sum(increase(carrel_usage_recovered_events_total[1h]))",
                "disk refused": "sum(increase(carrel_usage_journal_errors_total[1h]))",
            },
        ),
    ),
    "Documents and jobs": (
        Panel("Jobs waiting", {"{{kind}}": "max by (kind) (carrel_jobs_waiting)"}),
        Panel("Longest wait", {"{{kind}}": "max by (kind) (carrel_jobs_late_seconds)"}, "s"),
        Panel("Jobs given up", {"": "max(carrel_jobs_dead)"}),
        Panel(
            "Jobs carried out",
            {"{{kind}} {{outcome}}": rate("carrel_jobs_total", "kind, outcome")},
            "cps",
        ),
        Panel(
            "Time of a job, p95", {"{{kind}}": quantile(0.95, "carrel_job_seconds", "kind")}, "s"
        ),
        Panel(
            "Steps of a document, p95",
            {"{{step}}": quantile(0.95, "carrel_ingestion_seconds", "step")},
            "s",
        ),
    ),
    "Vectors and reranking": (
        Panel(
            "Search in the vector store",
            quantiles("carrel_retrieval_seconds", 'step="search"'),
            "s",
        ),
        Panel(
            "Embedding of questions",
            {
                **quantiles("carrel_retrieval_seconds", 'step="embed"'),
            },
            "s",
        ),
        Panel(
            "Vectors of questions remembered",
            {"{{outcome}}": rate("carrel_query_vectors_total", "outcome")},
            "reqps",
        ),
        Panel("Reranker", quantiles("carrel_rerank_seconds"), "s"),
        Panel(
            "Answered without the reranker",
            {"{{reason}}": rate("carrel_rerank_fallbacks_total", "reason")},
            "reqps",
        ),
        Panel(
            "Services that are not asked",
            {"{{service}}": "sum by (service) (carrel_breakers_open)"},
        ),
    ),
    "Servers": (
        Panel("Servers up", {"{{job}}": 'sum by (job) (up{job=~"carrel|carrel-worker"})'}),
        Panel(
            "Event loop, longest stall",
            {"{{instance}}": "max by (instance) (carrel_event_loop_lag_max_seconds)"},
            "s",
        ),
        Panel(
            "Event loop, p99 of lags",
            {"{{instance}}": quantile(0.99, "carrel_event_loop_lag_seconds", "instance")},
            "s",
        ),
        Panel(
            "Redis",
            {
                "{{instance}} answers": "min by (instance) (carrel_redis_up)",
                "{{instance}} failures": rate("carrel_redis_failures_total", "instance"),
            },
        ),
        Panel("Memory of caches", {"{{what}}": "sum by (what) (carrel_cache_bytes)"}, "bytes"),
        Panel(
            "Versions, and spans of traces",
            {
                "{{version}}": "count by (version) (carrel_build_info)",
                "spans {{outcome}}": rate("carrel_trace_spans_total", "outcome"),
            },
        ),
    ),
}
