# Everything here works on a machine that has Python 3.11 or newer, make and a package index. What else is needed goes into
# .venv, at the versions and hashes of requirements.lock. `make help` lists the commands.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# The first interpreter that is new enough; choose another with `make install PYTHON=/path/to/python`.
PYTHON ?= $(firstword $(foreach candidate,python3 python3.14 python3.13 python3.12 python3.11,$(shell \
	$(candidate) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $(candidate))) python3)
BIN := .venv/bin
STAMP := .venv/.installed
CODE := daemon detectors alerting tests
# More words for pytest: `make test ARGS='-k join'`.
ARGS ?=

.PHONY: help install demo test lint types contracts pytest unit statistics corpus bench format lock docs screenshot clean

help:  ## list these commands
	@sed -nE 's/^([a-z]+):.*## (.*)/  make \1\t\2/p' Makefile | expand -t 18

install: $(STAMP)  ## make .venv with everything in it, and .venv/bin/watchkeeper

# The stamp makes a second run instant. A .venv whose interpreter has gone (an upgraded system) is made anew.
$(STAMP): requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "watchkeeper needs Python 3.11 or newer, and there is no $(PYTHON) here." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "watchkeeper needs Python 3.11 or newer; this is $$($(PYTHON) --version 2>&1). Name another: make install PYTHON=python3.12" >&2; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv || { rm -rf .venv; \
		echo "$(PYTHON) cannot make a virtual environment. On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@echo "Installing into .venv (a minute or so the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m pip check --disable-pip-version-check
	@touch $(STAMP)

demo: install  ## the whole story on an embedded broker, in a minute
	@$(BIN)/watchkeeper demo $(ARGS)

test: lint types contracts pytest  ## linter, types, import contracts, then every test (integration on a real broker included)

lint: install
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)

types: install
	$(BIN)/mypy --strict $(CODE)

contracts: install
	@PYTHONPATH=. $(BIN)/lint-imports --no-logo

pytest: install
	$(BIN)/python -m pytest -m 'not statistics and not corpus' $(ARGS)

statistics: install  ## the long simulations that hold the error rates (minutes)
	$(BIN)/python -m pytest -m statistics $(ARGS)

unit: install  ## only the quick tests: no broker, no simulations
	$(BIN)/python -m pytest -q -m 'not integration and not statistics and not corpus' $(ARGS)

corpus: install  ## streams with faults through backtest and three baselines (over an hour); ARGS='--seeds 3 --misses' for less
	$(BIN)/python -m tests.corpus $(ARGS)

bench: install  ## events per second and memory, against a bare loop and a script that a user would write
	$(BIN)/python -m tests.benchmarks $(ARGS)

format: install  ## let ruff mend what it can
	$(BIN)/ruff check --fix-only $(CODE)
	$(BIN)/ruff format $(CODE)

# The second lock is the part of the first that a container runs with: no tests, no linters, no embedded broker.
COMPILE := $(BIN)/uv pip compile --quiet --python $(BIN)/python --universal --python-version 3.11 --generate-hashes --no-annotate \
	--no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock'

lock: install  ## write the locks anew after a change of pyproject.toml; UPGRADE=1 takes newer versions
	$(COMPILE) $(if $(UPGRADE),--upgrade) --extra demo --extra apprise --extra ical --group dev --output-file requirements.lock pyproject.toml
	$(COMPILE) --constraint requirements.lock --output-file deploy/requirements.lock pyproject.toml

docs: install  ## write the reference pages that are made from the code
	$(BIN)/python -m daemon.metrics > docs/metrics.md
	$(BIN)/python -m daemon.settings_page > docs/settings.md

screenshot: install  ## take the picture of the page in the README anew, from the demo; wants Debian's chromium
	$(BIN)/python -m tests.screenshot

clean:  ## remove .venv, caches and builds
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache build dist target
	find $(CODE) -name __pycache__ -type d -prune -exec rm -rf {} +
