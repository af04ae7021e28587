# Everything a person does with this repository. `make` alone lists it.
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
BENCH_INSTALLED := .venv-bench/.installed

help:  ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "make %-9s %s\n", $$1, $$2}'

# Every command is a process of its own, and where Python is told to write no bytecode each would compile the package anew.
setup: $(INSTALLED)  ## Set up the environment in .venv (idempotent)
	@$(BIN)/python -m compileall -q gazelle_sync

# The lock pins every version with its hash; --no-deps, since the lock is the whole of them.
$(INSTALLED): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed: make PYTHON=python3.11 setup") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

sync: setup  ## Run the main job once: pull, stage, reconcile
	@$(BIN)/gazelle-sync sync

up: setup  ## Start the Dagster UI with its daemon, schedules on; Ctrl-C stops all of it
	@exec $(BIN)/gazelle-sync up

test: setup  ## Run the tests
	$(BIN)/python -m pytest -n 4 --dist loadfile --no-loadscope-reorder

test-slow: setup servers  ## Run the slow lane: on PostgreSQL 15, 16 and 17, through PgBouncer, and all of dg
	$(BIN)/python -m pytest -m slow -n 2

servers:  ## Install the servers of the slow lane (as root, on Debian)
	@gazelle_sync_tests/slow/install.sh

check: setup  ## Formatter, linter, type checker
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: setup $(BENCH_INSTALLED)  ## Print the benchmark table
	$(BIN)/python -m gazelle_sync_tests.benchmarks

bench-far: setup  ## Print the table of commands with the database 60 ms away
	$(BIN)/python -m gazelle_sync_tests.benchmarks --far

faults: setup  ## Run the fault campaigns of pull and push: 1,000 seeded cases each, and their tables
	$(BIN)/python -m gazelle_sync_tests.faults

columns: setup  ## Write the columns of each table, docs/data-dictionary.md and the asset graph, after a migration
	@$(BIN)/python -W ignore -m gazelle_sync_tests.support.columns
	@$(BIN)/python -m gazelle_sync_tests.support.graph

messages: setup  ## Bring the French catalogue up to date with what the code says
	@$(BIN)/python -m gazelle_sync_tests.support.messages

# dlt, the peer that the benchmarks measure against, lives in an environment of its own.
$(BENCH_INSTALLED): gazelle_sync_tests/benchmarks/requirements.lock
	$(PYTHON) -m venv .venv-bench
	.venv-bench/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r gazelle_sync_tests/benchmarks/requirements.lock
	@touch $@

lock:  ## Pin the newest versions that pyproject.toml allows (needs uv)
	uv pip compile pyproject.toml --extra dev --generate-hashes --no-emit-index-url --no-header --universal --quiet --output-file requirements.lock

.PHONY: help setup sync up test test-slow servers check bench bench-far faults columns messages lock
