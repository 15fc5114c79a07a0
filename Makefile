# Everything a newcomer needs: `make run`, `make test`, `make check`, `make help`.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BENCH_VENV := .venv-bench
PY := $(VENV)/bin/python
PIP_FLAGS := --disable-pip-version-check --quiet --require-hashes --only-binary :all:

.DEFAULT_GOAL := help
.PHONY: help run sandbox demo test check bench bench-quick bench-processes faults pictures readme-pictures fuzz-api format lock clean browser strace

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1|/' | column -t -s '|'

run: $(VENV)/.run ## start daifu with the simulated WeChat and print the addresses to open
	@exec $(PY) run.py serve

sandbox: $(VENV)/.run ## start the simulated WeChat alone
	@exec $(PY) run.py sandbox

demo: $(VENV)/.run ## play an order, a payment and the live push in the terminal
	@exec $(PY) run.py demo

test: $(VENV)/.dev browser strace ## run every test, the browser ones too
	$(PY) -m pytest -q -n 4 --dist worksteal -m "not (mongo or redis or process)"
	$(PY) -m pytest -q -n 3 --dist worksteal -m "mongo or redis or process"
	node --test tests/static/

check: $(VENV)/.dev ## format, lint, types, import directions
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

format: $(VENV)/.dev ## rewrite the code in the house format
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .

bench: $(VENV)/.dev $(BENCH_VENV)/.bench ## hold daifu to its performance budget, beside its peers: an hour
	$(PY) -m benchmarks.budget --json var/budget.json

bench-quick: $(VENV)/.dev $(BENCH_VENV)/.bench ## the same against the toys only, less of everything: under 3 minutes
	$(PY) -m benchmarks.budget --quick --json var/budget-quick.json

bench-processes: $(VENV)/.dev ## measure two processes: the push, a dead Redis, a rolling restart
	$(PY) -m benchmarks.two_processes
	$(PY) -m benchmarks.two_processes --kill-redis
	$(PY) -m benchmarks.two_processes --rolling --pages 1000 --rate 50 --seconds 20

faults: $(VENV)/.dev strace ## kill -9 at every point of the money's way, and pay one share twice a thousand times
	$(PY) -m benchmarks.faults sweep
	$(PY) -m benchmarks.faults rivals

pictures: $(VENV)/.dev browser ## walk through every state of the pages in every look, pictures to var/pictures
	@mkdir -p var/pictures
	DAIFU_SCREENSHOTS=var/pictures $(PY) -m pytest -q tests/e2e -k "looks or fits or keypad or menu or operator or guest or outside"

fuzz-api: $(VENV)/.dev ## thousands of requests made up from the API's description, right ones and wrong ones
	HYPOTHESIS_PROFILE=thorough $(PY) -m pytest -q --timeout 3600 tests/handlers/test_openapi_conformance.py

readme-pictures: $(VENV)/.dev browser ## take the pictures of the README anew, from the real pages
	mkdir -p docs/img
	$(PY) -m tests.e2e.pictures docs/img

lock: $(VENV)/.run ## renew the lock files from pyproject.toml
	$(PY) -m pip install --quiet uv
	$(VENV)/bin/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --no-annotate pyproject.toml -o requirements.lock
	$(VENV)/bin/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --no-annotate pyproject.toml --group dev -o requirements-dev.lock
	$(VENV)/bin/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --no-annotate --group pyproject.toml:bench -o requirements-bench.lock

browser: ## install Chromium where there is none (Debian, Ubuntu)
	@tests/install_browser

strace: ## install strace where there is none (Debian, Ubuntu)
	@tests/install_strace

clean: ## remove the environment and everything the server stored here
	rm -rf $(VENV) $(BENCH_VENV) benchmarks/peers/node/node_modules var

$(VENV)/bin/python:
	@echo "daifu: making a Python environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.run: requirements.lock | $(VENV)/bin/python
	@echo "daifu: installing dependencies"
	@$(PY) -m pip install $(PIP_FLAGS) -r requirements.lock
	@touch $@

$(VENV)/.dev: requirements-dev.lock | $(VENV)/bin/python
	@echo "daifu: installing development dependencies"
	@$(PY) -m pip install $(PIP_FLAGS) -r requirements-dev.lock
	@touch $@ $(VENV)/.run

# What daifu is measured against, the Python peers and the one in Node.
$(BENCH_VENV)/.bench: requirements-bench.lock benchmarks/peers/node/package-lock.json
	@echo "daifu: making an environment for its peers in $(BENCH_VENV)"
	@$(PYTHON) -m venv $(BENCH_VENV)
	@$(BENCH_VENV)/bin/python -m pip install $(PIP_FLAGS) -r requirements-bench.lock
	@cd benchmarks/peers/node && npm ci --silent --no-audit --no-fund --omit optional
	@touch $@
