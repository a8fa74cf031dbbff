# Two commands do all their own set-up: `make demo` (no root, no containers) and `make test` (everything).
# Their logic lives in inventories/demo and tests/run.py; this file only makes the virtual environment they need.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup demo test list format bench soak testbed-up testbed-down docs clean

# Any Python that ansible-core 2.19 accepts on a controller; a name that does not run (a pyenv shim, say) is passed over.
PYTHON ?= $(shell for name in python3.11 python3.12 python3.13 python3; do \
	"$$name" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && { echo "$$name"; break; }; done)
VENV := .venv
READY := $(VENV)/.ready
STAGE ?=

help: ## Say what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 22

setup: $(READY) ## Make .venv with ansible-core and link the checkout into it (everything below does this itself)

$(READY): tests/requirements.txt tests/requirements-controller.txt
	@if [ -z "$(PYTHON)" ]; then echo "Python 3.11, 3.12 or 3.13 is needed: apt-get install python3 python3-venv" >&2; exit 1; fi
	@if ! "$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null; then \
		echo "$(PYTHON) cannot make virtual environments: apt-get install python3-venv" >&2; exit 1; fi
	@echo "setting up $(VENV) with $$("$(PYTHON)" --version) (once)"
	@mkdir -p .work/logs
	@[ -x $(VENV)/bin/pip ] || "$(PYTHON)" -m venv $(VENV)
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r tests/requirements.txt 2>.work/logs/setup.log \
		|| { tail -n 20 .work/logs/setup.log >&2; exit 1; }
	@mkdir -p $(VENV)/collections/ansible_collections/runbook
	@ln -sfn ../../../.. $(VENV)/collections/ansible_collections/runbook/ops
	@touch $@

demo: $(READY) ## Deploy, break, roll back a small site on this machine, as an ordinary user
	@$(VENV)/bin/python inventories/demo/demo.py

test: $(READY) ## Run every check (STAGE="lint units" for some of them, see make list)
	@$(VENV)/bin/python tests/run.py $(STAGE)

list: $(READY) ## Name the stages of make test
	@$(VENV)/bin/python tests/run.py --list

format: $(READY) ## Rewrite Python files the way the checks want them
	@$(VENV)/bin/python tests/run.py --format

bench: $(READY) ## Measure against rsync and Capistrano on the testbed
	@$(VENV)/bin/python tests/bench/bench.py

soak: $(READY) ## The random fault sweeps with their full number of rounds
	@RUNBOOK_SOAK=1 $(VENV)/bin/python tests/run.py soak

testbed-up: $(READY) ## Start the test hosts (containers with systemd and sshd)
	@$(VENV)/bin/python tests/testbed/testbed.py up

testbed-down: $(READY) ## Remove the test hosts
	@$(VENV)/bin/python tests/testbed/testbed.py down

clean: ## Remove what the checks left behind; the test hosts' image and .venv stay
	@rm -rf .work/logs .work/junit .work/copies .work/dist .mypy_cache .ruff_cache .pytest_cache .ansible
