# Everything a developer does, from nothing but Python (3.11 or newer), pip and make:
# the first target that needs it builds the environment in .venv.

PYTHON ?= python3
VENV ?= .venv
# Test processes at a time, and the least share of the code they must reach (percent).
JOBS ?= 2
COVERAGE ?= 90

BIN := $(VENV)/bin
# Changes when what is to be installed changes, so that make brings it up to date.
INSTALLED := $(VENV)/.installed
MARKDOWN := $(wildcard *.md docs examples)

.DEFAULT_GOAL := help
.PHONY: help install demo test lint format types bench docs clean distclean

help: ## show this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 20

install: $(INSTALLED) ## build or update the environment in .venv

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "$(PYTHON) is older than Python 3.11 (or absent);" \
	         "name another: make PYTHON=python3.12 ..." >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt \
	    --build-constraint constraints.txt --editable . --group dev
	@touch $@

demo: $(INSTALLED) ## fit a model to simulated reads and show the result
	$(BIN)/pyprobound demo

# One thread a process: the processes share the cores already.
test: $(INSTALLED) ## run all tests and require their coverage
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) --cov \
	    --cov-report=term-missing:skip-covered --cov-fail-under=$(COVERAGE)

lint: $(INSTALLED) ## check style, formatting and the layers of the code
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports

format: $(INSTALLED) ## mend what lint can mend
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

types: $(INSTALLED) ## check types
	$(BIN)/mypy

bench: $(INSTALLED) ## run the benchmarks, write their results to docs/performance.md
	OMP_WAIT_POLICY=PASSIVE $(BIN)/python benchmarks/run_all.py --json build/benchmarks.jsonl \
	    --page docs/performance.md

docs: $(INSTALLED) ## check the links in the documentation, run its examples
	$(BIN)/python tools/check_links.py $(MARKDOWN)
	$(BIN)/python -m pytest --quiet --doctest-modules src

clean: ## remove what the tools leave behind
	rm -rf build dist htmlcov .coverage .coverage.* .hypothesis .import_linter_cache \
	    .mypy_cache .pytest_cache .ruff_cache
	find . -path ./$(VENV) -prune -o -name __pycache__ -type d -exec rm -rf {} +

distclean: clean ## remove the environment too
	rm -rf $(VENV)
