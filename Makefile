# `make` alone lists the targets. Each sets up what it needs, so a fresh clone can start with any.
# ARGS passes options on: make test ARGS="tests/unit -k budget"

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules --no-print-directory

BIN := .venv/bin
READY := .venv/.ready
CONSOLE := src/carrel/console_dist/sources.sha256
ARGS ?=

.PHONY: help setup demo serve test isolation mutants console screenshots check format bench bench-tenancy bench-gate bench-quality check-quality bench-embedding bench-cache bench-semantic bench-ingest bench-peers load chaos chaos-ingest fuzz-parsers wheel clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(READY) ## install uv, if need be, and all dependencies into .venv

$(READY): uv.lock pyproject.toml scripts/setup
	@scripts/setup
	@touch $@

$(CONSOLE): $(READY) $(shell find console -type f -not -path '*/node_modules/*')
	@$(BIN)/python scripts/build_console.py
	@touch $@

demo: $(CONSOLE) ## two tenants, their documents, questions and cited answers; the server stays up
	@exec $(BIN)/carrel demo $(ARGS)

serve: $(CONSOLE) ## the server, on http://127.0.0.1:8080
	@exec $(BIN)/carrel serve $(ARGS)

test: $(CONSOLE) ## all tests, against real PostgreSQL, Redis, nginx, Prometheus and Chromium that the run starts and stops
	@scripts/install_test_services
	@exec $(BIN)/pytest -n auto --maxprocesses 8 --dist worksteal $(ARGS)

isolation: $(READY) ## attack the isolation of tenants with 100,000 operations (an hour)
	@scripts/install_test_services
	@ISOLATION_OPERATIONS=100000 exec $(BIN)/pytest --timeout 7200 tests/isolation $(ARGS)

mutants: $(READY) ## remove each tenant predicate in turn: the tests must notice (10 minutes)
	@scripts/install_test_services
	@exec $(BIN)/python -m scripts.mutants $(ARGS)

console: $(CONSOLE) ## build the web console, unless its sources are those it was built from

screenshots: $(CONSOLE) ## every page of the console, in both widths and both themes, into build/screenshots
	@exec $(BIN)/python -m scripts.screenshots $(ARGS)

check: $(CONSOLE) ## lint, formatting, types, layers
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/pyright
	@$(BIN)/python scripts/build_console.py --check
	@$(BIN)/lint-imports --no-logo

format: $(READY) ## format the code and fix what the linter can
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

bench: $(READY) ## start-up, memory, overhead, event-loop stalls, retrieval quality
	@exec $(BIN)/python -m bench $(ARGS)

bench-tenancy: $(READY) ## what keeping tenants apart costs (40 minutes; ARGS=--quick: two)
	@exec $(BIN)/python -m bench.tenancy $(ARGS)

bench-gate: $(READY) ## what limits and budgets cost a request, in memory and with Redis
	@scripts/install_test_services
	@exec $(BIN)/python -m bench gate $(ARGS)

bench-embedding: $(READY) ## questions a second, p99 and stalls of each embedder (two minutes)
	@exec $(BIN)/python -m bench.micro.embedding $(ARGS)

bench-cache: $(READY) ## what the caches save, by cache and share of repeats; answers after edits (20 minutes)
	@UV_PROJECT_ENVIRONMENT=.venv scripts/uv sync --frozen --quiet --group bench
	@exec $(BIN)/python -m bench.caching.saved $(ARGS)

bench-semantic: $(READY) ## what a semantic cache serves rightly and wrongly, by embedder (ten minutes)
	@exec $(BIN)/python -m bench.caching $(ARGS)

bench-quality: $(READY) ## retrieval, answers and refusals of the running product, on public data (20 minutes)
	@UV_PROJECT_ENVIRONMENT=.venv scripts/uv sync --frozen --quiet --group bench
	@exec $(BIN)/python -m bench.retrieval.report $(ARGS)

check-quality: $(READY) ## hold quality against bench/retrieval/floors.json (3 minutes)
	@exec $(BIN)/python -m bench.retrieval.report --check $(ARGS)

bench-ingest: $(READY) ## documents a second on 1, 2 and 4 cores, stage by stage; searches meanwhile (10 minutes)
	@exec $(BIN)/python -m bench.ingestion $(ARGS)

bench-peers: $(CONSOLE) ## a bare relay, Carrel and the LiteLLM proxy, side by side (10 minutes)
	@scripts/install_test_services
	@exec $(BIN)/python -m bench.peers $(ARGS)

load: $(CONSOLE) ## 2,000 users for three minutes, and a report in build/load (ARGS="--users 10000")
	@scripts/install_test_services
	@UV_PROJECT_ENVIRONMENT=.venv scripts/uv sync --frozen --quiet --group bench
	@exec $(BIN)/python -m bench.load $(ARGS)

chaos: $(CONSOLE) ## random faults under questions, for two minutes (ARGS="--minutes 30")
	@scripts/install_test_services
	@exec $(BIN)/python -m bench.chaos.faults $(ARGS)

chaos-ingest: $(READY) ## kill -9 of random processes while 10,000 documents come in (ten minutes)
	@exec $(BIN)/python -m bench.chaos $(ARGS)

MINUTES ?= 30
fuzz-parsers: $(READY) ## damaged documents to the parsers, for MINUTES=30
	@exec $(BIN)/python scripts/fuzz_parsers.py $(MINUTES)

wheel: $(CONSOLE) ## build dist/*.whl and check that it is whole
	@rm -rf dist
	@scripts/uv build --wheel --quiet
	@$(BIN)/python scripts/check_wheel.py dist/*.whl

clean: ## remove the environment, caches and builds; the data in .carrel stays
	@rm -rf .venv dist build console/node_modules src/carrel/console_dist .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
