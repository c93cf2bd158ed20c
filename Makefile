# Callwright's few commands. Each does the set-up it needs, says what it does, and starts in seconds when that is done.
#
#   make demo ARGS="--seconds 60"   everything, live on screen: two Asterisks, callers, agents, a queue
#   make test                       every check (FULL=1 adds the long ones)
#   make bench                      the benchmarks
#   make setup                      only the set-up; afterwards .venv/bin/callwright works
#   make lock                       resolve the dependencies anew
#   make clean                      remove what set-up made

SHELL := /bin/sh
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
ARGS ?=
FULL ?=

.PHONY: help setup setup-test demo test bench lock clean

help:
	@sed -n '3,8s/^# *//p' Makefile

.venv/ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Python 3.11 or newer is needed; $(PYTHON) is older. Mend: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@echo "Making the Python environment in .venv ..."
	@test -x $(BIN)/python -a -x $(BIN)/pip || $(PYTHON) -m venv .venv || { \
		echo "Python cannot make environments. Mend: apt-get install python3-venv, then retry." >&2; rm -rf .venv; exit 1; }
	@awk '/^uv==/{on=1} on{print} on&&!/\\$$/{exit}' requirements.lock >.venv/uv.lock
	@echo "Installing the locked dependencies ..."
	@{ $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r .venv/uv.lock 2>.venv/pip.log && \
		UV_PYTHON_DOWNLOADS=never $(BIN)/uv pip install --python $(BIN)/python --require-hashes -r requirements.lock; } || { \
		echo "uv could not; trying pip, which takes some minutes ..."; \
		$(BIN)/python -m pip install --disable-pip-version-check --require-hashes -r requirements.lock; } || { \
		echo "The dependencies could not be installed. Mend: check the network and pip's settings, then retry." >&2; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e . 2>>.venv/pip.log
	@touch $@

setup: .venv/ready
	@$(BIN)/python -m engine.lab.setup

setup-test: .venv/ready
	@$(BIN)/python -m engine.lab.setup --for-tests $(if $(FULL),--full)

demo: setup
	@$(BIN)/callwright demo $(ARGS)

test: setup-test
	@echo "Format ..." && $(BIN)/ruff format --quiet --check .
	@echo "Lint ..." && $(BIN)/ruff check --quiet .
	@echo "Types ..." && $(BIN)/mypy
	@echo "Imports ..." && $(BIN)/lint-imports >/dev/null || { $(BIN)/lint-imports; exit 1; }
	@FULL=$(FULL) $(BIN)/pytest -n 4 --dist worksteal $(ARGS)

bench: setup-test
	@$(BIN)/callwright bench $(ARGS)

# uv resolves for every platform at once and writes hashes; no registry's address gets into the file.
lock:
	@command -v uv >/dev/null || { echo "uv is missing. Mend: pip install uv" >&2; exit 1; }
	@printf 'hatchling\neditables\n' | uv pip compile pyproject.toml - --group dev --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url --no-annotate --no-header --quiet --upgrade --output-file requirements.lock

clean:
	@rm -rf .asterisk .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
