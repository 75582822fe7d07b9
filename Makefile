# Everything runs inside the clone: the virtual environment, its package cache, all tool caches.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PIP_CACHE_DIR := $(CURDIR)/$(VENV)/cache
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help demo test thorough torture mutate bench lint format clean

help: ## List the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 14

demo: $(VENV)/.installed ## Watch it work against the sandbox, about half a minute, no account needed
	$(BIN)/shoptalk demo

test: $(VENV)/.installed-dev ## Run the tests on an embedded PostgreSQL
	$(BIN)/python -m pytest

thorough: $(VENV)/.installed-dev ## Run the state machines, crash points and hostile texts
	$(BIN)/python -m pytest -m thorough

torture: $(VENV)/.installed-dev ## Kill it a thousand times amid faults, and count (ARGS="--platform twilio --seed 2")
	$(BIN)/python -m tests.torture $(ARGS)

mutate: $(VENV)/.installed-dev ## See which small mistakes no test notices (ARGS="--only shoptalk/db/turns.py")
	$(BIN)/python -m tests.mutation $(ARGS)

bench: $(VENV)/.installed-dev ## Measure what it costs (ARGS="import_ --size 1000000")
	$(BIN)/python -m benchmarks $(ARGS)

lint: $(VENV)/.installed-dev ## Check style, types and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.installed-dev ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## Remove everything that make made
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("shoptalk needs Python 3.11 or newer: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(VENV)/bin/python setup.cfg pyproject.toml
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@
