# The commands of this repository. `make run` and `make test` need Python 3.11 and nothing else.

SHELL := /bin/sh
TOX := .tox/bootstrap/bin/tox
HOST ?= 127.0.0.1

.PHONY: run test test-long lint bench clean

run: ## start a switch with demo data in the foreground (HOST=address for phones on other machines)
	@tools/venv.sh .venv --editable .
	@exec .venv/bin/python tools/run.py --host $(HOST)

test: ## lint, unit tests and live tests, with what they need
	@tools/debian.sh test
	@tools/venv.sh .tox/bootstrap 'tox>=4.25,<5'
	@$(TOX) run -e all

test-long: ## the same tests with larger numbers, and the campaigns
	@tools/debian.sh test
	@tools/venv.sh .tox/bootstrap 'tox>=4.25,<5'
	@$(TOX) run -e long

lint: ## formatting, types, layers
	@tools/venv.sh .tox/bootstrap 'tox>=4.25,<5'
	@$(TOX) run -e lint

bench: ## measure beside the peers and write bench/results (never a test)
	@tools/debian.sh bench
	@tools/venv.sh .tox/bootstrap 'tox>=4.25,<5'
	@$(TOX) run -e bench -- $(BENCH)

clean: ## remove what the commands above made, except the data in var/
	rm -rf .venv .tox .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache bench/results
