# Two commands on a fresh machine with Python 3.11: `make demo` and `make test`.

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PYTHON ?= $(shell command -v python3.11 || command -v python3)

.DEFAULT_GOAL := help
.PHONY: help demo test test-slow lint bench docs lock clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: $(READY) ## make a small data set with a planted shortcut, train on it, audit it
	$(BIN)/focus-audit demo

test: $(READY) ## the test suite, style and import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -m "not slow" tests

test-slow: $(READY) ## the tests that take minutes
	$(BIN)/python -m pytest -m slow tests

lint: $(READY) ## style, import contracts, and the workflow's own linters
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/snakemake --lint --configfile configs/lint.yaml

bench: $(READY) ## speed and memory, side by side with the work nobody can avoid
	$(BIN)/python -m tests.benchmarks

docs: $(READY) ## write the config's reference, template and schema from its model
	$(BIN)/python -m audit.config.reference

lock: $(READY) ## renew the lock file after a change of pyproject.toml
	$(BIN)/uv pip compile --quiet pyproject.toml --group dev --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url --no-header --output-file requirements.lock

clean: ## remove what the other goals made, and keep the virtual environment
	rm -rf .snakemake reports/demo reports/demo-data

# pip checks every hash of the lock file; the package itself is installed in place.
$(READY): requirements.lock pyproject.toml
	@"$(PYTHON)" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 12))' 2>/dev/null \
		|| { echo "focus-audit needs Python 3.11; set PYTHON=/path/to/python3.11"; exit 1; }
	"$(PYTHON)" -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@
