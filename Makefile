# make setup | lint | test | demo | bench | fuzz | vectors | lock
# Everything runs in .venv, made from requirements-dev.txt (pinned, with hashes).

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Tests wait more than they compute, so there are more workers than processors. A file's tests stay
# together with the servers that they share, and files begin in order: the long ones come first.
WORKERS ?= 4
PYTEST := $(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile --no-loadscope-reorder
STORAGE := devstack/storage
STORAGE_STAMP := $(STORAGE)/node_modules/.installed
SHELL := /bin/bash

.DEFAULT_GOAL := help
.PHONY: help setup lint format test coverage campaigns demo bench fuzz conformance vectors diagrams infra-audit lock clean

help:  ## Say what each target does
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

setup: $(STAMP) $(STORAGE_STAMP)  ## Make the virtual environment and install everything, pinned

$(STAMP): requirements-dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 13))' 2>/dev/null || { \
	  echo "cleanroom: Python 3.13 is needed, and '$(PYTHON)' is $$($(PYTHON) --version 2>&1 || true)" >&2; \
	  echo "hint: install it, or name it: make $(MAKECMDGOALS) PYTHON=/path/to/python3.13" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing the pinned packages (once; the log is $(VENV)/install.log)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes \
	  -r requirements-dev.txt >$(VENV)/install.log 2>&1 || { tail -n 20 $(VENV)/install.log; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation \
	  -e . >>$(VENV)/install.log 2>&1 || { tail -n 20 $(VENV)/install.log; exit 1; }
	@touch $@

$(STORAGE_STAMP): $(STORAGE)/package.json $(STORAGE)/package-lock.json | $(STAMP)
	@node -e 'process.exit(+(process.versions.node.split(".")[0] < 20))' 2>/dev/null || { \
	  echo "cleanroom: Node.js 20 or newer is needed, and 'node' is $$(node --version 2>/dev/null || echo missing)" >&2; \
	  echo "hint: install it, and npm with it" >&2; exit 1; }
	@echo "installing the pinned storage emulator (once; the log is $(VENV)/npm.log)"
	@npm ci --prefix $(STORAGE) --omit=dev --no-audit --no-fund --ignore-scripts \
	  >$(VENV)/npm.log 2>&1 || { tail -n 20 $(VENV)/npm.log; exit 1; }
	@touch $@

lint: setup  ## Format check, lint, strict types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: setup  ## Format and mend what can be mended
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# The core's tests only compute.
test: setup  ## Run every test, and hold the trusted core to its coverage
	$(PYTEST) -n 2 tests/unit/cleanroom --cov=cleanroom --cov-report=
	@$(BIN)/python -m tools.coverage_floors
	$(PYTEST) --ignore=tests/unit/cleanroom

coverage: setup  ## Run every test again to see what no test runs, in all processes
	$(PYTEST) --cov --cov-report=
	@$(BIN)/python -m tools.coverage_floors --overall

campaigns: setup  ## Try everything: kills at every write and step, shuffles, thousands of files
	$(PYTEST) -m campaign

demo: setup  ## Parties agree, drop, compute, open, and somebody cheats (EXAMPLE=fraud)
	@$(BIN)/python -m examples.demo $(EXAMPLE)

bench: setup  ## Measure against peers and limits; writes docs/benchmarks*.md
	$(BIN)/python -m bench.run
	$(BIN)/python -m bench.devstack.run
	$(BIN)/python -m bench.plane.run
	$(BIN)/python -m bench.runner.run

fuzz: setup  ## Fuzz the parsers and the dev stack's ports (FUZZ_SECONDS=60 each)
	$(BIN)/python -m tests.fuzz.run

conformance: setup  ## Run Microsoft's own tests against the bus (CONFORMANCE=quick or all)
	$(BIN)/python -m tests.conformance.servicebus.run $(or $(CONFORMANCE),quick)

vectors: setup  ## Make the test vectors again (the result must not differ)
	$(BIN)/python -m tests.vectors.generate

diagrams:  ## Draw docs/images from the texts in docs/diagrams
	npm ci --prefix docs/diagrams --no-audit --no-fund --ignore-scripts --silent
	node docs/diagrams/render.mjs

infra-audit: setup  ## Audit the deployment: checkov, and the sources of its schemas (minutes)
	$(BIN)/python -m tests.infra.audit

lock: setup  ## Resolve requirements.txt and requirements-dev.txt again
	tools/lock.sh

clean:  ## Remove what the targets made
	rm -rf $(VENV) $(STORAGE)/node_modules .mypy_cache .ruff_cache .pytest_cache .coverage* build dist
