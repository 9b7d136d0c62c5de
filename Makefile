# tidegate's one Makefile. `make help` lists what a person runs; each `generate` has a `verify`.
SHELL := /bin/bash
PYTHON ?= python3
UV_VERSION := 0.13.9
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
SOURCES := controller tests deploy docs
PYTEST_ARGS ?=
CORES := $(shell $(PYTHON) -c 'import os; print(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)' 2>/dev/null)
# Of three processes one runs at a low priority: see tests/distribution.py.
PROCESSES ?= $(if $(filter 1,$(CORES)),0,3)
FUZZ_SECONDS ?= 600

.DEFAULT_GOAL := help
# `docs` is a folder, too.
.PHONY: docs help setup lint format generate verify toolchain test unit e2e try demo bench dashboard fuzz attack mutate report-picture lock clean

help: ## List the targets
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):[^#]*## (.*)/  \1\t\2/' | expand -t 16

setup: $(STAMP) ## Make the virtual environment with the locked dependencies

$(STAMP): locks/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "tidegate needs Python 3.11 or newer; $(PYTHON) is older. Set PYTHON=..."; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' || { echo "Python's venv module is missing; install it (Debian: apt-get install python3-venv)"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION) || { echo "uv could not be installed with pip: is a Python package index reachable?"; exit 1; }
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r locks/dev.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $(STAMP)

lint: $(STAMP) ## Check style, types, import contracts and generated files
	$(BIN)/ruff format --check --quiet $(SOURCES)
	$(BIN)/ruff check --quiet $(SOURCES)
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(MAKE) --no-print-directory verify

format: $(STAMP) ## Format the code and fix what can be fixed
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/ruff check --fix $(SOURCES)

generate: $(STAMP) ## Write the generated files anew
	$(BIN)/python deploy/helm/generate.py

verify: $(STAMP) ## Fail when a generated file is out of date
	$(BIN)/python deploy/helm/generate.py --verify

toolchain: ## Find or build the real Kubernetes programs (minutes once a machine)
	@$(PYTHON) tests/cluster/toolchain/packages.py
	@$(PYTHON) tests/cluster/toolchain/build.py > /dev/null

test: $(STAMP) toolchain lint ## Run every check and test, on real parts
	$(BIN)/python -m pytest --numprocesses=$(PROCESSES) $(PYTEST_ARGS)

unit: $(STAMP) ## Run the tests that need no control plane
	$(BIN)/python -m pytest tests/unit tests/integration tests/fuzz tests/cluster $(PYTEST_ARGS)

e2e: $(STAMP) toolchain ## Run the tests on the real control plane
	$(BIN)/python -m pytest tests/e2e tests/chart $(PYTEST_ARGS)

try: $(STAMP) ## Try the command line on a simulated AWS, within a minute. ARGS=--stay keeps it up
	@$(BIN)/python -m tests.demo.cli $(ARGS)

demo: $(STAMP) ## See it refuse: real API server, simulated AWS. ARGS=--stay keeps it up
	@$(PYTHON) tests/cluster/toolchain/packages.py
	@$(PYTHON) tests/cluster/toolchain/build.py etcd kube-apiserver kube-controller-manager kubectl helm > /dev/null
	@$(BIN)/python -m tests.demo $(ARGS)

bench: $(STAMP) toolchain ## Measure and write docs/reference/performance.md and scale.md
	$(BIN)/python -m tests.bench $(ARGS)

dashboard: $(STAMP) toolchain ## Draw the dashboard's panels on a running tidegate, for docs/operations/dashboard.md
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r locks/drawing.txt
	$(BIN)/python -m tests.monitoring

fuzz: $(STAMP) ## Fuzz the parsers of signatures and the choice among the images of an index. FUZZ_SECONDS=600 for ten minutes
	FUZZ_SECONDS=$(FUZZ_SECONDS) $(BIN)/python -m pytest tests/fuzz --capture=no $(PYTEST_ARGS)

attack: $(STAMP) toolchain ## Attack a running tidegate and print each bound with what was measured. ARGS=NAME for one
	$(BIN)/python -m tests.attack $(ARGS)

mutate: $(STAMP) ## Put faults into the modules that decide and count those that no test notices. MODULES=checks/tag.py for one
	@$(BIN)/python -m tests.mutation $(MODULES)

docs: $(STAMP) ## Build the documentation as a site in build/site; every link and anchor must be valid
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build

report-picture: $(STAMP) ## Take the picture of the report in docs/guides anew, in headless Chromium
	$(BIN)/python -m tests.report_picture

lock: $(STAMP) ## Resolve the dependencies anew
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header pyproject.toml --output-file locks/runtime.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --group dev pyproject.toml --output-file locks/dev.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --group drawing --constraints locks/dev.txt --output-file locks/drawing.txt

clean: ## Remove what was made here (the built programs in the user's cache stay)
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage .bench .mutation dist
