# Two commands on a fresh machine with Python 3.11: `make demo` and `make test`.

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# A release's time is that of its commit, where there is one.
EPOCH = $(shell git log -1 --format=%ct 2>/dev/null)
DATED = $(if $(EPOCH),SOURCE_DATE_EPOCH=$(EPOCH))
PYTHON ?= $(shell command -v python3.11 || command -v python3)

.DEFAULT_GOAL := help
.PHONY: help demo test test-slow lint bench docs lock licences sbom advisories dist coverage mutate cluster clean

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

# What is pinned stays pinned where it still fits; `make lock UPGRADE=--upgrade` takes the newest.
COMPILE = $(BIN)/uv pip compile --quiet pyproject.toml --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-header $(UPGRADE)

lock: $(READY) ## renew both lock files after a change of pyproject.toml
	$(COMPILE) --extra slurm --extra kubernetes --extra s3 --output-file requirements-cluster.lock
	$(COMPILE) --group dev --constraint requirements-cluster.lock --output-file requirements.lock

licences: $(READY) ## list the licences of what is installed; fails on one that nobody allowed
	$(BIN)/python -m tests.packaging.licences

sbom: $(READY) ## write the bill of materials (CycloneDX) into dist/
	$(DATED) $(BIN)/python -m tests.packaging.bill

advisories: $(READY) ## known vulnerabilities of what is pinned; COPY=folder reads a copy of them, offline
	$(BIN)/python -m tests.packaging.advisories $(COPY)

dist: $(READY) sbom ## build the wheel and the source archive into dist/, the same bytes each time
	$(DATED) $(BIN)/python -m build --no-isolation

coverage: $(READY) ## lines and branches of audit/ that the whole suite runs, sub-processes included; an hour
	$(BIN)/coverage erase
	-$(BIN)/coverage run -m pytest $(or $(TESTS),tests)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report --skip-covered --sort cover

mutate: .venv-mutate/.ready ## share of small changes to metrics and statistics that a test sees; hours
	.venv-mutate/bin/python -m tests.mutation $(FILES)

cluster: .venv-cluster/.ready ## .venv-cluster: the environment with Snakemake's plugins for clusters

clean: ## remove what the other goals made, and keep the virtual environment
	rm -rf .snakemake build dist reports/demo reports/demo-data

# pip checks every hash of the lock file; the package itself is installed in place. One dependency comes
# as source alone: what builds it is installed first, or pip would fetch that past the lock file.
PIP = $(@D)/bin/python -m pip install --quiet --disable-pip-version-check
$(READY): requirements.lock pyproject.toml
	@"$(PYTHON)" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 12))' 2>/dev/null \
		|| { echo "focus-audit needs Python 3.11; set PYTHON=/path/to/python3.11"; exit 1; }
	"$(PYTHON)" -m venv $(VENV)
	sed -n '/^\(packaging\|setuptools\|wheel\)==/,/# via/p' requirements.lock | $(PIP) --require-hashes -r /dev/stdin
	$(PIP) --no-build-isolation --require-hashes -r requirements.lock
	$(PIP) --no-build-isolation --no-deps -e .
	touch $@

# These see the packages of the first one and add what that lacks. Snakemake imports every plugin at
# every start, which the tests that need none would pay for.
define beside
	$(BIN)/python -m venv $(@D)
	$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' \
		> $(@D)/lib/python3.11/site-packages/first.pth
endef

.venv-cluster/.ready: $(READY) requirements-cluster.lock
	$(beside)
	$(PIP) --require-hashes -r requirements-cluster.lock
	$(PIP) --no-build-isolation --no-deps -e .
	touch $@

.venv-mutate/.ready: $(READY)
	$(beside)
	$(PIP) mutmut==3.8.1
	touch $@
