# What people type. `make` alone lists it.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/bash

# Which Python makes the environments. Another one: `make setup PYTHON=python3.13`.
PYTHON ?= python3

# Without bytecode, every import of aws_cdk costs seconds.
unexport PYTHONDONTWRITEBYTECODE

# The CDK runs on Node: its banner about old Nodes and its version check would drown what matters.
export JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION := 20
export CDK_DISABLE_VERSION_CHECK := 1

python := .venv/bin/python
pytest := $(python) -m pytest
sync := .venv/bin/uv pip sync --quiet --compile-bytecode --require-hashes
installed := .venv/.linked .venv-cloud/.installed .venv-devices/.installed node_modules/.installed

##@ Try

.PHONY: help
help: ## List what there is to type
	@awk 'BEGIN { FS = ":.*## " } \
	  /^##@ / { printf "\n%s\n", substr($$0, 5) } \
	  /^[a-z0-9]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: setup ## Watch Tidegate steer rollouts on this machine: no AWS account needed
	@$(python) -m tidegate.local.demo $(if $(PORT),--port $(PORT)) $(if $(KEEP),--keep)

##@ Develop

# One message for each thing that is missing; `exit 1` leaves the recipe.
define require_tools
need() { printf '%s\n' "$$@" >&2; exit 1; }; \
$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
  || need 'Tidegate needs Python 3.11 or newer, and `$(PYTHON)` is not. Name one: make setup PYTHON=python3.13'; \
$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
  || need 'Tidegate needs the venv module of $(PYTHON). On Debian and Ubuntu: sudo apt install python3-venv'; \
node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' 2>/dev/null \
  || need 'Tidegate needs Node.js 20 or newer, which the AWS CDK runs on: https://nodejs.org'; \
npm --version >/dev/null 2>&1 \
  || need 'Tidegate needs npm, which comes with Node.js: https://nodejs.org'
endef

.PHONY: setup
setup: ## Install everything into this folder: once, and again when a lock file changes
	@if ! $(MAKE) --question $(installed) 2>/dev/null; then \
	  $(require_tools); \
	  echo 'Installing what Tidegate needs, all of it into this folder (half a minute, the first time only):'; \
	  $(MAKE) --silent --jobs=4 $(installed) && echo 'Installed.'; \
	fi

# uv comes by pip and installs the rest, several times as fast.
.venv/.uv: requirements.txt
	@echo '  .venv         Python packages'
	@$(python) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	  || $(PYTHON) -m venv --clear .venv
	@sed -n '/^uv==/,/[^\]$$/p' requirements.txt > .venv/uv.txt
	@$(python) -m pip install --quiet --quiet --require-hashes --requirement .venv/uv.txt
	@touch $@

.venv/.installed: .venv/.uv requirements-dev.txt
	@$(sync) --python $(python) requirements-dev.txt
	@touch $@

# The sync above removes what no lock names, so the command `tidegate` comes after it.
.venv/.linked: .venv/.installed pyproject.toml
	@.venv/bin/uv pip install --quiet --offline --no-deps --python $(python) --editable .
	@touch $@

.venv-cloud/.installed: .venv/.uv tidegate/local/requirements.txt
	@echo '  .venv-cloud   the embedded cloud'
	@.venv-cloud/bin/python -c '' 2>/dev/null \
	  || .venv/bin/uv venv --quiet --clear --python $(python) .venv-cloud
	@$(sync) --python .venv-cloud/bin/python tidegate/local/requirements.txt
	@touch $@

.venv-devices/.installed: .venv/.uv tests/e2e/clients/requirements.txt
	@echo '  .venv-devices clients of other hands'
	@.venv-devices/bin/python -c '' 2>/dev/null \
	  || .venv/bin/uv venv --quiet --clear --python $(python) .venv-devices
	@$(sync) --python .venv-devices/bin/python tests/e2e/clients/requirements.txt
	@touch $@

node_modules/.installed: package-lock.json
	@echo '  node_modules  the AWS CDK'
	@npm ci --no-progress --loglevel=error >/dev/null
	@touch $@

.PHONY: test
test: setup check ## Do everything that must pass before a change goes in
	@$(pytest) -m 'not e2e and not prove' -n 2
	@$(pytest) -m e2e

.PHONY: check
check: setup ## Check style, types, layers and generated files
	@.venv/bin/ruff check
	@.venv/bin/ruff format --check
	@.venv/bin/mypy
	@.venv/bin/ty check
	@.venv/bin/lint-imports --no-logo
	@$(python) -m tidegate.documents.generate --check

.PHONY: fix
fix: setup ## Repair what can be repaired by itself
	@.venv/bin/ruff check --fix
	@.venv/bin/ruff format

.PHONY: unit
unit: setup ## Run the fast tests
	@$(pytest) tests/unit

.PHONY: e2e
e2e: setup ## Run the tests on the embedded cloud
	@$(pytest) -m e2e

.PHONY: prove
prove: setup ## Search longer for counterexamples: more examples, fresh seeds
	@$(pytest) -m 'not e2e' -n 2 --hypothesis-profile=prove

.PHONY: mutate
mutate: setup ## Change the decision engine a little, many times, to see whether tests notice
	@$(python) benchmarks/mutation.py

.PHONY: bench
bench: setup ## Compare with other rules and measure speed, into docs/benchmarks.md: an hour
	@$(python) benchmarks/import_cost.py
	@$(python) -m benchmarks.first_paint
	@$(python) -m benchmarks.compare $(if $(QUICK),--quick --into build/bench)

.PHONY: synth
synth: setup ## Write the CloudFormation templates into cdk.out
	@node_modules/.bin/cdk synth --quiet

.PHONY: schemas
schemas: setup ## Generate the schemas again from the models
	@$(python) -m tidegate.documents.generate

# Versions stay as they are unless they no longer fit: `make lock UPGRADE=--upgrade` takes the newest.
UPGRADE ?=
compile := .venv/bin/uv pip compile $(UPGRADE) --quiet --no-config --universal --python-version 3.11 \
  --generate-hashes --no-emit-index-url --custom-compile-command 'make lock'

.PHONY: lock
lock: .venv/.uv ## Compile every requirements.in into its lock, and package.json into its own
	@$(compile) requirements.in --output-file requirements.txt
	@$(compile) lambdas/requirements.in --output-file lambdas/requirements.txt
	@$(compile) requirements-dev.in --output-file requirements-dev.txt
	@$(compile) tidegate/local/requirements.in --output-file tidegate/local/requirements.txt
	@$(compile) examples/device/requirements.in --output-file examples/device/requirements.txt
	@$(compile) tests/e2e/clients/requirements.in --output-file tests/e2e/clients/requirements.txt
	@npm install --package-lock-only --loglevel=error >/dev/null

.PHONY: clean
clean: ## Remove all that these commands made, environments included
	@rm -rf .venv .venv-cloud .venv-devices node_modules build cdk.out validation-report.json \
	  .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	@find app.py benchmarks examples infra lambdas tests tidegate -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true
