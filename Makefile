# The commands of this project. `make help` lists them; CI calls the same ones.
#
# STRICT=1 turns "tool not installed, check left out" into an error, as CI wants it.

.DEFAULT_GOAL := help
SHELL := /bin/bash
CARGO ?= cargo
PROMTOOL ?= promtool
CONTAINER ?= $(firstword $(foreach tool,docker podman buildah,$(if $(shell command -v $(tool)),$(tool))))
IMAGE ?= probe_exporter
ARGS ?=
BENCH_ARGS ?=
FUZZ_SECONDS ?= 60
STRICT ?=

# What the binary and the image say of themselves.
VERSION = $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)
BRANCH = $(shell git rev-parse --abbrev-ref HEAD 2>/dev/null || echo unknown)
REVISION = $(shell git rev-parse HEAD 2>/dev/null || echo unknown)

# The programs that `make bench` and `make accuracy` run.
HARNESS = target/release/cost
ACCURACY = target/release/accuracy

.PHONY: help
help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

.PHONY: setup
setup: ## Install, or name, what the build needs beside Rust
	@.ci/setup

.PHONY: run
run: build ## Build and start on port 9115 with the built-in modules (ARGS="--config.file=…" for others)
	./target/release/probe_exporter $(ARGS)

.PHONY: build
build: setup ## Build the release binary, target/release/probe_exporter
	PROBE_EXPORTER_BRANCH="$(BRANCH)" PROBE_EXPORTER_REVISION="$(REVISION)" $(CARGO) build --release --locked

.PHONY: test
test: setup lint doc deny rules unit ## Everything that CI checks of the code

.PHONY: unit
unit: setup ## The tests alone
	$(CARGO) test --locked --workspace

.PHONY: portable
portable: setup components ## The tests of times, built as for a platform whose kernel stamps no packets
	SOCKET_TIMESTAMPS_PORTABLE=1 $(CARGO) clippy --locked --workspace --lib --bins --tests -- -D warnings
	SOCKET_TIMESTAMPS_PORTABLE=1 $(CARGO) test --locked --workspace --lib
	SOCKET_TIMESTAMPS_PORTABLE=1 $(CARGO) test --locked --test it -- wire overhead http::times

# Cargo builds as whoever calls it, and starts the tests by sudo. Root needs none.
.PHONY: root-tests
root-tests: setup ## The tests that are left out without root, by sudo
	$(CARGO) test --locked $(if $(filter-out 0,$(shell id -u)),--config "target.'cfg(unix)'.runner=['sudo','--preserve-env=STRICT']") \
		--test it -- accuracy icmp

.PHONY: fmt
fmt: components ## Format the code
	$(CARGO) fmt --all

.PHONY: lint
lint: setup components ## Formatting and clippy, warnings as errors
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	@# Without the features of dependencies that only tests ask for.
	$(CARGO) check --locked

.PHONY: doc
doc: setup ## The documentation of all packages, warnings as errors
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --workspace --no-deps --document-private-items

.PHONY: deny
deny: ## Licences, sources and banned crates of the dependencies, and advisories with ADVISORIES=1
	@if $(CARGO) deny --version >/dev/null 2>&1; then \
		$(CARGO) deny --locked --workspace check bans licenses sources $(if $(ADVISORIES),advisories); \
	else \
		$(call left-out,cargo-deny,the dependencies are not checked,cargo install --locked cargo-deny); \
	fi

# Without a sanitizer, so that the stable compiler will do. What is found stays in target/fuzz; a new finding is a new
# file in fuzz/artifacts.
.PHONY: fuzz
fuzz: setup ## Each fuzz target for FUZZ_SECONDS (FUZZ="a b" for some of them), with the inputs of fuzz/corpus
	@if $(CARGO) fuzz --version >/dev/null 2>&1; then \
		set -e; \
		$(CARGO) metadata --locked --format-version 1 --manifest-path fuzz/Cargo.toml >/dev/null; \
		$(CARGO) fuzz build --sanitizer none --target-dir target/fuzz; \
		for target in $(or $(FUZZ),$$($(CARGO) fuzz list)); do \
			mkdir -p target/fuzz/corpus/$$target; \
			RUST_BACKTRACE=0 $(CARGO) fuzz run --sanitizer none --target-dir target/fuzz $$target \
				target/fuzz/corpus/$$target fuzz/corpus/$$target -- \
				-max_total_time=$(FUZZ_SECONDS) -timeout=20 -rss_limit_mb=3000 -verbosity=0 -print_final_stats=1; \
		done; \
	else \
		$(call left-out,cargo-fuzz,nothing is fuzzed,cargo install --locked cargo-fuzz); \
	fi

.PHONY: rules
rules: ## Prometheus configuration, rules and their unit tests
	@if command -v $(PROMTOOL) >/dev/null; then \
		set -e; \
		$(PROMTOOL) check config prometheus/prometheus.yml examples/compose/prometheus/prometheus.yml; \
		$(PROMTOOL) check rules prometheus/rules/*.yml; \
		$(PROMTOOL) test rules prometheus/tests/*.yml; \
	else \
		$(call left-out,promtool,the rules are not checked,apt-get install prometheus); \
	fi

# The binary is the one that comes with the tests, so that no dependency is built twice.
.PHONY: metrics
metrics: setup ## What the exporter answers, through promtool's linter
	@if command -v $(PROMTOOL) >/dev/null; then \
		$(CARGO) test --locked --test it --no-run && PROMTOOL=$(PROMTOOL) .ci/check-metrics target/debug/probe_exporter; \
	else \
		$(call left-out,promtool,the metrics are not checked,apt-get install prometheus); \
	fi

.PHONY: bench
bench: $(HARNESS) build ## CPU time, memory and start-up, in turns with BLACKBOX=<binary> (BENCH_ARGS="--help" tells what can be chosen)
	$(HARNESS) --exporter target/release/probe_exporter $(if $(BLACKBOX),--against "$(BLACKBOX)") $(BENCH_ARGS)

# In a network of its own, whose only name server is the one of the benchmark.
.PHONY: bench-names
bench-names: $(HARNESS) build ## As root: a probe of a name, CPU time and the lookup's latency, in turns with getaddrinfo (or AGAINST=<binary>)
	@mkdir -p target/bench
	@printf '#!/bin/sh\nexec $(CURDIR)/target/release/probe_exporter --dns.resolver=system "$$@"\n' >target/bench/system
	@chmod +x target/bench/system
	@echo 'nameserver 127.0.0.1' >target/bench/resolv.conf
	@echo '127.0.0.1 localhost' >target/bench/hosts
	@echo 'hosts: files dns' >target/bench/nsswitch.conf
	unshare --net --mount sh -euc 'ip link set lo up; \
		for file in resolv.conf hosts nsswitch.conf; do mount --bind target/bench/$$file "$$(readlink -f /etc/$$file)"; done; \
		exec $(HARNESS) --exporter target/release/probe_exporter --against $(or $(AGAINST),target/bench/system) \
			--only cpu --kinds name $(BENCH_ARGS)'

.PHONY: accuracy
accuracy: $(ACCURACY) build ## How far readings are from the truth, as root, in turns with BLACKBOX=<binary> (ACCURACY_ARGS="--help" tells what can be chosen)
	$(ACCURACY) $(if $(BLACKBOX),--blackbox "$(BLACKBOX)") $(ACCURACY_ARGS)

# Built by themselves, so that they leave the exporter's own features as they are.
.PHONY: $(HARNESS) $(ACCURACY)
$(HARNESS) $(ACCURACY): setup
	$(CARGO) build --release --locked --package $(@F)

.PHONY: bench-micro
bench-micro: setup ## What the parts of a probe cost, on this machine and now
	$(CARGO) bench --locked --bench probe

.PHONY: parity
parity: setup ## The comparison with a real blackbox_exporter (BLACKBOX=its binary; RECORD=1 writes its answers down anew)
	@test -n "$(BLACKBOX)" || { echo 'make parity needs BLACKBOX=<path of the binary of blackbox_exporter 0.28.0>' >&2; exit 1; }
	BLACKBOX="$(BLACKBOX)" $(if $(RECORD),RECORD=1) $(CARGO) test --locked --test it -- parity dialects

.PHONY: image
image: ## Build the container image (CONTAINER=docker, podman or buildah)
	$(if $(CONTAINER),,$(error none of docker, podman and buildah is installed))
	$(CONTAINER) build --tag $(IMAGE) --file Dockerfile \
		--build-arg VERSION="$(VERSION)" --build-arg BRANCH="$(BRANCH)" --build-arg REVISION="$(REVISION)" .

# rustfmt and clippy, where rustup installed only the compiler.
.PHONY: components
components:
	@$(CARGO) fmt --version >/dev/null 2>&1 && $(CARGO) clippy --version >/dev/null 2>&1 \
		|| rustup component add rustfmt clippy

# $(call left-out,tool,consequence,how to install it)
define left-out
printf '\n*** %s is not installed: %s.\n*** To install it: %s\n\n' '$(1)' '$(2)' '$(3)' >&2; \
$(if $(STRICT),exit 1,true)
endef
