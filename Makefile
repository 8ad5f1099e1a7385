# One runner for everything. `make` alone shows what there is.
# Each target sets up what it needs, says what it does, and may be run twice.

.DEFAULT_GOAL := help
.PHONY: help setup gvisor up test test-full lint images containers faults bench clean engine-down

help: ## show this
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | awk -F '\t' '{ printf "  make %-12s %s\n", $$1, $$2 }'

setup: ## check and install what is needed: Rust target, nextest, container engine
	@scripts/setup.sh

gvisor: ## set up, and install gVisor and tell the engine of it
	@scripts/setup.sh gvisor

up: ## set up, build, and start a cluster on http://127.0.0.1:7300 (ARGS="--bind …")
	@scripts/up.sh $(ARGS)

test: ## set up, make the images, run all tests but the long ones
	@scripts/test.sh $(ARGS)

test-full: ## the same and the long ones, gVisor among them
	@scripts/test.sh --full $(ARGS)

lint: ## formatting and clippy, without warnings
	@scripts/lint.sh

images: ## make the language images that are missing (ARGS="gcc --jobs 1")
	@scripts/images.sh $(ARGS)

containers: ## make the container images of master, agent and engine (ARGS="--check", "--push REGISTRY", "--gvisor")
	@scripts/containers.sh $(ARGS)

faults: ## kill, cut, stop and fill a cluster for a minute; nothing may be lost (ARGS="--seconds … --jobs … --seed …")
	@scripts/faults.sh $(ARGS)

bench: ## measure beside bare processes, containers and others, and write docs/BENCHMARKS.md (ARGS="quick", "PROGRAM …")
	@scripts/bench.sh $(ARGS)

clean: ## remove build results and our images (no container, no running engine)
	@scripts/clean.sh

engine-down: ## stop the container engine that setup started, if it did
	@scripts/setup.sh engine-down
