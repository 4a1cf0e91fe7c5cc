# Every chore by name; `make` alone lists them. The work is done by scripts in packaging/.
#
# Build products are kept outside the clone, see packaging/env.sh (GODOCKER_CACHE,
# CARGO_TARGET_DIR), so that a second clone builds fast.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup build demo test zoo fuzz soak bench dist verify fix images engine stop clean

# Passed on, for example: make test ARGS='-E "package(raft)"', or make demo ARGS=--keep
ARGS ?=
# What `make bench` measures: release, or dev, which compiles faster and runs slower.
PROFILE ?= release

ENV := source packaging/env.sh

help: ## list these targets
	@awk -F':.*## ' '/^[a-z]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## install what is missing on this Debian machine; build RocksDB once
	@packaging/setup.sh

build: ## compile goagent and goctl (development profile)
	@packaging/setup.sh build
	@$(ENV); cargo build --locked --workspace --bins; \
	echo "programs: $$CARGO_TARGET_DIR/debug/goagent $$CARGO_TARGET_DIR/debug/goctl"

demo: ## three heads, two agents, Docker: align real reads, kill the leader on the way
	@packaging/demo/run.sh $(ARGS)

test: ## set up, check format and lints, build, run every test; what CI runs
	@packaging/test.sh $(ARGS)

zoo: ## put known bugs back, one at a time, and see that the tests find each of them
	@packaging/setup.sh build
	@packaging/zoo.sh $(ARGS)

fuzz: ## let schemathesis call every REST operation of a real cluster, right and wrong
	@packaging/setup.sh fuzz
	@packaging/fuzz.sh $(ARGS)

soak: ## long weather: hundreds of kills, cuts, power cuts, an upgrade; ARGS names parts
	@packaging/setup.sh build
	@packaging/soak.sh $(ARGS)

bench: ## measure speed, failover and memory; writes target/bench/report.json
	@packaging/setup.sh
	@$(ENV); cargo build --locked --profile $(PROFILE) --workspace --bins; \
	engine=$$(packaging/docker.sh start); eval "$$engine"; \
	export DOCKER_HOST GODOCKER_TEST_DOCKER=$$DOCKER_HOST; packaging/images.sh godocker/busybox:1; \
	export GODOCKER_BIN_DIR=$$CARGO_TARGET_DIR/$(PROFILE:dev=debug) TMPDIR=$$GODOCKER_CACHE; \
	cargo bench --locked --profile $(PROFILE) --package tests --bench road

dist: ## lay out in dist/ what a package installs (optimised, takes long)
	@packaging/setup.sh build
	@$(ENV); rm -rf dist; cargo xtask dist dist

verify: ## check format, lints and the rules of the house; changes nothing
	@packaging/setup.sh build
	@$(ENV); cargo fmt --all --check
	@$(ENV); cargo clippy --locked --workspace --all-targets -- --deny warnings
	@$(ENV); cargo test --locked --package tests --test house
	@# Whoever builds one package alone has only the features that it asks for itself.
	@$(ENV); for manifest in $$(git ls-files '*/Cargo.toml'); do \
	    echo "$$manifest alone"; cargo check --locked --manifest-path "$$manifest" || exit 1; done

fix: ## format, and let clippy repair what it can
	@packaging/setup.sh build
	@$(ENV); cargo clippy --workspace --all-targets --fix --allow-dirty --allow-staged
	@cargo fmt --all

engine: ## find a container engine, or start a private one
	@packaging/docker.sh start

images: ## make the container images that tests and the demo use
	@packaging/docker.sh start; packaging/images.sh $$(packaging/images.sh list)

stop: ## end the private container engine
	@packaging/docker.sh stop

clean: stop ## remove build products and the private engine; keep RocksDB and image files
	@$(ENV); cargo clean; rm -rf --one-file-system "$$GODOCKER_CACHE/docker"; \
	echo "removed; still kept in $$GODOCKER_CACHE: $$(ls -m "$$GODOCKER_CACHE")"
