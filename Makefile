# Bisnes from a checkout. `make help` lists the targets; a machine needs Python 3.11, pip and make.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules --no-print-directory

PYTHON ?= python3
BIN := .venv/bin

# Arguments for pytest, such as `make test ARGS="-k lanes -x"`.
ARGS ?=

.PHONY: help run test coverage check lint format types imports changelog docs lock bench soak install browser clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: .venv/.run ## start the whole gateway with embedded services, simulators and a demo company
	@$(BIN)/bisnes up --demo

# Tests start hundreds of processes: what those import is compiled once.
unexport PYTHONDONTWRITEBYTECODE

# Most tests wait for processes rather than compute, so several run at a time; then those that compare latencies.
# A selection may leave one of the two without tests (status 5).
define run_tests
@failed=0; run() { "$$@" || { status=$$?; [ $$status = 5 ] || failed=$$status; }; }; \
run $(1) -m "not soak and not alone" --numprocesses 3 --dist loadfile --no-loadscope-reorder $(ARGS); run $(1) -m alone $(ARGS); exit $$failed
endef

test: .venv/.dev browser ## run every test but the soak tests
	$(call run_tests,$(BIN)/pytest)

coverage: .venv/.dev browser ## the same, measured, subprocesses included
	@$(BIN)/coverage erase
	$(call run_tests,$(BIN)/coverage run -m pytest)
	@$(BIN)/coverage combine --quiet && $(BIN)/coverage report

check: lint types imports changelog docs ## everything about the code that needs no service

lint: .venv/.dev ## ruff: rules and formatting
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check

format: .venv/.dev ## let ruff format and mend what it can
	@$(BIN)/ruff format
	@$(BIN)/ruff check --fix

types: .venv/.dev ## mypy --strict
	@$(BIN)/mypy .

imports: .venv/.dev ## who may import whom
	@$(BIN)/lint-imports --no-logo

changelog: .venv/.dev ## the change has a fragment in changelog.d/, and all fragments render
	@$(BIN)/towncrier build --draft --version next > /dev/null
	@if git rev-parse --quiet --verify origin/main > /dev/null; then $(BIN)/towncrier check --compare-with origin/main; fi

docs: .venv/.dev ## the generated pages of docs/ say what the code says; `make docs WRITE=1` writes them
	@$(BIN)/python docs/generate.py $(if $(WRITE),,--check)

COMPILE = CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/pip-compile --quiet --generate-hashes --allow-unsafe --strip-extras \
	--no-emit-index-url --no-emit-trusted-host --no-emit-find-links --build-deps-for editable --no-build-isolation

lock: .venv/.dev ## write both lock files from pyproject.toml; `make lock UPGRADE=--upgrade` takes newer releases
	@echo "resolving requirements.lock"
	@$(COMPILE) $(UPGRADE) --output-file requirements.lock pyproject.toml
	@echo "resolving requirements-dev.lock"
	@$(COMPILE) $(UPGRADE) --extra dev --constraint requirements.lock --output-file requirements-dev.lock pyproject.toml
	@! grep --line-number '://' requirements.lock requirements-dev.lock

bench: .venv/.dev browser ## drive a fixed load through the whole gateway and print its figures
	@$(BIN)/python -m benchmarks $(ARGS)

soak: .venv/.dev browser ## the long tests
	@$(BIN)/pytest -m soak --timeout 7200 $(ARGS)

install: .venv/.dev ## make .venv with everything, development tools included

# Debian's Chromium, for phones on WhatsApp Web.
BROWSER_PROGRAMS = chromium chromium-headless-shell chromedriver
BROWSER_INSTALL = apt-get install --yes --no-install-recommends chromium chromium-headless-shell chromium-driver

browser: ## install Chromium where it is missing and we may; else say how
	@if command -v $(BROWSER_PROGRAMS) | wc -l | grep -qx 3; then exit 0; fi; \
	if [ "$$(id -u)" != 0 ] || ! command -v apt-get > /dev/null; then \
		echo "Phones on WhatsApp Web need Chromium and its driver. On Debian: sudo $(BROWSER_INSTALL)" >&2; exit 1; fi; \
	echo "installing Chromium"; export DEBIAN_FRONTEND=noninteractive; \
	{ apt-get update && $(BROWSER_INSTALL); } > /dev/null

clean: ## remove .venv, caches and build output; var/ (the data) and logs/ stay
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build *.egg-info .coverage .coverage.*

# -- .venv ----------------------------------------------------------------------------------------------------------
# .run: what the gateway needs. .dev: the tools as well. Both install exactly the hashes of the lock.

# $(call install,LOCK): installs LOCK, counting aloud: in place on a terminal, one closing line elsewhere.
define install
@total=$$(grep -c '^[a-z0-9].*==' $(1)); tty=; if [ -t 1 ]; then tty=1; fi; \
echo "installing $$total packages of $(1)"; \
$(BIN)/python -m pip install --disable-pip-version-check --require-hashes --requirement $(1) | awk -v total=$$total -v tty=$$tty \
	'/^(Collecting|Requirement already)/ {n++; if (tty) printf "\r\033[K  %d of %d", n, total} \
	/^Installing/ {if (tty) printf "\r\033[K  unpacking"} END {if (tty) printf "\r\033[K"}'
endef

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Bisnes needs Python 3.11 or newer; name it: make PYTHON=...")'
	@echo "making .venv"
	@$(PYTHON) -m venv .venv

.venv/.run: requirements.lock requirements-bundle.lock pyproject.toml | $(BIN)/python
	$(call install,requirements.lock)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --requirement requirements-bundle.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

.venv/.dev: requirements-dev.lock .venv/.run
	$(call install,requirements-dev.lock)
	@touch $@
