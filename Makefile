# The public commands. Each prepares its requirements; the first run on a machine takes longer.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# The clusters that `make up` creates, in the direction of the data: any of controlplane staging testing production.
CLUSTERS ?= controlplane staging testing
CLUSTER ?= staging
ARGS ?=

export PATH := $(CURDIR)/.venv/bin:$(PATH)
export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg
export MYPY_CACHE_DIR := .mypy_cache

inventory := $(foreach cluster,$(CLUSTERS),-i inventories/$(cluster)) -i inventories/local
in_local_cloud := variables=$$(localcloud env) && eval "$$variables"

# The slowest tests are listed, so that the author of a slow test sees it.
# The tests of a file share fixtures, so a file stays on one worker.
pytest := pytest -q --dist loadfile --durations 25 --numprocesses
unit := $(pytest) 2 tests/unit localcloud/tests/unit
# These tests wait for API servers and controllers: three workers keep two cores busy.
integration := $(pytest) 3 tests/integration localcloud/tests/integration
once_more = || { echo "Repeating the failed tests: other work on the machine can cause timeouts."; $(integration) --last-failed; }

.PHONY: help setup up down status verify render kubeconfig test test-all test-fast test-e2e mutants lint sanity molecule bench \
	new-role image image-check

help: ## Show this help
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

setup:
	@tools/setup

up: setup ## Create or update the fleet in the local cloud (CLUSTERS="staging testing", NODES=real, ARGS="--check --diff")
	@localcloud up $(if $(NODES),--nodes $(NODES))
	@$(in_local_cloud) && ansible-playbook site.yml $(inventory) $(ARGS)
	@$(MAKE) status ARGS=

down: ## Stop the local cloud and delete its state; the logs stay until the next start
	@tools/setup --python-only
	@localcloud down

status: ## Show the local cloud, its clusters and every component in them
	@tools/setup --python-only
	@localcloud status && $(in_local_cloud) && ANSIBLE_DISPLAY_SKIPPED_HOSTS=false \
		ansible-playbook playbooks/status.yml $(inventory) $(ARGS) || [ $$? -eq 3 ] # 3: the local cloud is not running, which localcloud has printed

verify: ## Follow a metric, a log line and an alarm of each cluster; a simulated hop counts as NOT RUN and fails
	@tools/setup --python-only
	@$(in_local_cloud) && ansible-playbook playbooks/verify.yml $(inventory) $(ARGS)

render: ## Write every object of a cluster to build/render (CLUSTER=staging), secrets redacted
	@tools/setup --python-only
	@ANSIBLE_DISPLAY_OK_HOSTS=false ansible-playbook playbooks/render.yml -i inventories/$(CLUSTER) $(ARGS)
	@echo "build/render/$(CLUSTER)"

kubeconfig: setup ## Write ./kubeconfig with one context per cluster
	@$(in_local_cloud) && ansible-playbook playbooks/kubeconfig.yml $(inventory) $(ARGS)

test: integration += -m "not exhaustive"
test: SCENARIOS ?= vpc kafka
test: ## Run the tests: lint, sanity, unit, integration; about 30 minutes
test-all: matrix := tools/matrix
test-all: ## Run every test, including the exhaustive ones, and every Molecule scenario; some hours
test test-all: setup lint
	@$(unit)
	@$(MAKE) --jobs 2 --output-sync sanity molecule SCENARIOS="$(SCENARIOS)"
	@$(integration) $(once_more)
	@$(matrix)

test-fast: ## Run lint and the unit tests
	@tools/setup --python-only
	@$(MAKE) lint
	@$(unit)

test-e2e: setup ## Test two clusters on real nodes under load and with faults; root, Linux, about an hour (docs/end-to-end.md)
	@localcloud images --build
	@pytest -q -rs --capture=no tests/e2e $(ARGS)

image: setup ## Build the container image with Podman or Docker (TAG=dataplatform-fleet, BASE_IMAGE=...); docs/image.md
	@tools/image

image-check: setup ## Build the container image from Debian's packages and run it; root, debootstrap, buildah (docs/image.md)
	@tools/image-check

mutants: ## Run mutation tests of the planners with mutmut (ARGS="FILE..."); see tests/mutants
	@tools/setup --python-only
	@UV_SYSTEM_CERTS="$${UV_SYSTEM_CERTS:-true}" VIRTUAL_ENV=$(CURDIR)/.venv uv sync --quiet --frozen --inexact --active \
		--group mutants --python $(CURDIR)/.venv/bin/python
	@python -m tests.mutants $(ARGS)

lint: ## Run the linters and type checkers
	@tools/setup --python-only
	@tools/lint

sanity: ## Run ansible-test sanity on a built copy of the collection
	@tools/setup --python-only
	@tools/sanity

molecule: ## Run Molecule scenarios in a local cloud (SCENARIOS="vpc kafka"; all by default)
	@tools/setup
	@tools/molecule $(SCENARIOS)

new-role: ## Create a role that passes lint and tests (NAME=my_exporter, LAYER=agents)
	@tools/setup --python-only
	@tools/new-role "$(NAME)" $(LAYER)

bench: setup ## Measure against peers; writes build/bench.json
	@python -m tests.benchmarks
