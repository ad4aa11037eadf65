# The two commands: `make up` and `make test`. `make help` names the rest.
SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
READY := $(VENV)/.ready
RUN := $(VENV)/bin/python
STACK ?= $(or $(TRELLIS_STACK),dev)

.DEFAULT_GOAL := help
.PHONY: help up down preview test soak bench clean venv

help: ## Show this help
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | while IFS="$$(printf '\t')" read -r name text; do \
		printf '  make %-9s %s\n' "$$name" "$$text"; done

up: $(READY) ## Bring what is missing, deploy the stack locally (STACK=dev)
	@$(RUN) -m trellis dev up --stack $(STACK)

preview: $(READY) ## Show what `make up` would change and what policies say
	@$(RUN) -m trellis dev preview --stack $(STACK)

down: $(READY) ## Destroy the stack; stop the local cloud if it is the last
	@$(RUN) -m trellis dev down --stack $(STACK)

test: $(READY) ## Check style and types, run every test on real servers
	@$(RUN) -m tools.check

soak: $(READY) ## Run the long form of the proofs in docs/proofs.md (hours)
	@$(RUN) -m pytest --soak -n 2

bench: $(READY) ## Print timings as ratios, both sides from one run
	@$(RUN) -m bench

clean: ## Stop the local cloud; delete all that `make up` made
	@if [ -d .trellis ] && [ ! -x $(RUN) ]; then \
		echo "error: .trellis holds stacks, and their state can only be looked at with the virtual environment. Run: make venv" >&2; exit 1; fi
	@if [ -d .trellis ]; then $(RUN) -m trellis dev clean; fi
	@rm -rf $(VENV) .trellis .mypy_cache .ruff_cache .pytest_cache .hypothesis

venv: $(READY)

# What needs the local cloud is told what that needs, before anything is downloaded.
LOCAL := $(if $(filter up preview down test soak bench,$(MAKECMDGOALS)),--servers)

# uv takes seconds where pip takes a minute; but only pip knows a mirror that pip.conf names.
PIP := $(VENV)/bin/pip install --quiet --disable-pip-version-check --retries 1 --require-hashes --requirement
UV := $(VENV)/bin/uv --quiet --system-certs pip sync --python $(RUN) --require-hashes --compile-bytecode

$(READY): requirements.txt
	@$(PYTHON) trellis/development/machine.py $(LOCAL)
	@echo "Virtual environment from requirements.txt (some seconds) ..."
	@$(PYTHON) -m venv --clear $(VENV)
	@sed -n '/^uv==/,/[^\\]$$/p' requirements.txt > $(VENV)/uv.txt
	@{ $(PIP) $(VENV)/uv.txt && { $(UV) requirements.txt || $(PIP) requirements.txt; }; } 2> $(VENV)/install.log || { \
		echo "error: requirements.txt cannot be installed. Is there a network? $(VENV)/install.log has all that was said." >&2; \
		grep --text '^ERROR' $(VENV)/install.log | tail -1 >&2; exit 1; }
	@$(RUN) -m tools.clients
	@touch $(READY)
