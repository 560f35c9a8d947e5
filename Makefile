# Everything a reader or a machine does here. `make` alone prints the list.
SHELL := bash
PY := .venv/bin/python
WORKERS := $(shell echo $$((2 * $$(nproc))))# twice the cores: the black-box tests mostly wait for their peers
.DEFAULT_GOAL := help
unexport PYTHONDONTWRITEBYTECODE  # the tests start many processes; compiling the sources anew each time doubles their start
.PHONY: help setup check test deep bench demo docs audit lock clean

help: ## This list
	@awk -F':.*## ' '/^[a-z]+:.*## /{printf "  make %-7s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Virtual environment from the hashed lock, QuickFIX included (minutes, once per machine)
	@.ci/venv

check: setup ## Lint, format, types, import rings, generated documents fresh
	$(PY) -m ruff check
	$(PY) -m ruff format --check
	$(PY) -m mypy
	.venv/bin/lint-imports
	$(PY) docs/generate.py --check

test: setup ## All tests but the deep ones; brings its own PostgreSQL and RabbitMQ where none is reachable
	@.ci/services $(PY) -m pytest -q -n $(WORKERS) --dist worksteal $(ARGS)

deep: setup ## Soak and deep fuzz tests, properties with new examples (long)
	@$(PY) -m pytest -q tests/property tests/unit --hypothesis-profile deep -n $(WORKERS)
	@.ci/services $(PY) -m pytest -q -m deep --timeout 3600 $(ARGS)

bench: setup ## Direct, HAProxy, nginx and gateway, alternating in one run; results in bench/results
	$(PY) -m bench $(ARGS)

demo: setup ## The main job on real peers, told line by line; PROTOCOL=fix or amqp plays one, KEEP=1 leaves it up
	@$(PY) -m simulators.demo $(if $(PROTOCOL),--protocol $(PROTOCOL)) $(if $(KEEP),--keep) $(ARGS)

docs: setup ## Generate config/gateway.toml and the generated pages of docs/
	$(PY) docs/generate.py

audit: ## Ask the package index for known weaknesses of what is locked (needs the network)
	@.ci/audit

lock: ## Lock the dependencies again, newest versions, with hashes
	@.ci/relock

clean: ## Remove what was built; the cached QuickFIX wheel stays
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis dist build
