# The two commands: `make up` and `make test`. `make help` names the rest.
SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
READY := $(VENV)/.ready
RUN := $(VENV)/bin/python
STACK ?= dev

.DEFAULT_GOAL := help
.PHONY: help up down preview test lint bench clean venv

help: ## Show this help
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | while IFS="$$(printf '\t')" read -r name text; do \
		printf '  make %-9s %s\n' "$$name" "$$text"; done

up: $(READY) ## Bring what is missing, start the local cloud, deploy the stack (STACK=dev)
	@$(RUN) -m tools.dev --stack $(STACK) up

preview: $(READY) ## Show what `make up` would change, pending migrations by name, and what policies say
	@$(RUN) -m tools.dev --stack $(STACK) preview

down: $(READY) ## Destroy the stack; stop the local cloud when no other uses it
	@$(RUN) -m tools.dev --stack $(STACK) down

test: $(READY) ## Check style and types, then run every test on real servers
	@$(RUN) -m tools.check

bench: $(READY) ## Print timings as ratios, both sides from one run
	@$(RUN) -m bench

clean: ## Stop the local cloud; delete the virtual environment and everything `make up` made
	@if [ -d .trellis ] && [ ! -x $(RUN) ]; then \
		echo "error: .trellis holds stacks, and their state can only be looked at with the virtual environment. Run: make venv" >&2; exit 1; fi
	@if [ -d .trellis ]; then $(RUN) -m tools.clean; fi
	@rm -rf $(VENV) .trellis .mypy_cache .ruff_cache .pytest_cache .hypothesis

venv: $(READY)

$(READY): requirements.txt
	@echo "Virtual environment from requirements.txt (about a minute) ..."
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "error: Python 3.11 or later is needed; $(PYTHON) is older. Set PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@$(VENV)/bin/pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.txt
	@$(RUN) -m tools.clients
	@touch $(READY)
