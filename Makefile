# The words people and CI use. `make` alone lists them.

EXPORTERS = node-exporter blackbox-exporter apache-exporter logstash-exporter
CARGO ?= cargo
# Flags for the exporter that `make run` starts.
ARGS ?=
# Seconds for each fuzz target.
SECONDS ?= 60
# The image names' prefix and tag.
REGISTRY ?= localhost
TAG ?= latest

# What is looked for, and the Debian package that brings it.
LINKER = cc:gcc /usr/include/stdio.h:libc6-dev
PEERS = prometheus:prometheus promtool:prometheus prometheus-alertmanager:prometheus-alertmanager podman:podman \
	buildah:buildah crun:crun systemd-analyze:systemd apache2:apache2 htpasswd:apache2-utils curl:curl openssl:openssl \
	nginx:nginx unbound:unbound setpriv:util-linux unshare:util-linux ip:iproute2 /etc/ssl/certs/ca-certificates.crt:ca-certificates

# Where cargo puts programs: .cargo/config.toml names this machine's own target.
TARGET_DIR = $(or $(CARGO_TARGET_DIR),target)
HOST = $(shell rustc -vV | sed -n 's/^host: //p')

# What `--version` and the build_info series tell of these builds.
release run image: export EXPORTER_REVISION = $(shell git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)
release run image: export EXPORTER_BRANCH = $(shell git rev-parse --abbrev-ref HEAD 2>/dev/null || echo unknown)

.PHONY: help run test deps build release bench fmt fuzz deny image golden previews clean

help: ## list these words
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "%-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## build node-exporter and run it on port 9100; ARGS="--flag ..." for more
	@./tests/debian-packages.sh $(LINKER)
	$(CARGO) build --release --package node-exporter
	@echo 'look at http://localhost:9100/ and http://localhost:9100/metrics; stop with Ctrl-C'
	@exec $(TARGET_DIR)/$(HOST)/release/node-exporter $(ARGS)

test: deps ## everything CI wants: format, lints, documentation, all tests
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --workspace --no-deps
	$(CARGO) build --workspace --bins --tests
	$(CARGO) test --workspace --no-fail-fast

deps: ## install the Debian packages the tests need, if any is missing
	@./tests/debian-packages.sh $(LINKER) $(PEERS)

build: ## build everything for debugging
	$(CARGO) build --workspace

release: ## build the static programs
	$(CARGO) build --release $(addprefix --package ,$(EXPORTERS))
	@ls -l $(addprefix $(TARGET_DIR)/$(HOST)/release/,$(EXPORTERS))

bench: ## run the benchmarks
	$(CARGO) bench --workspace --bench '*'

fmt: ## format the code
	$(CARGO) fmt --all

fuzz: ## run each fuzz target for SECONDS=60
	@$(CARGO) +nightly fuzz --version >/dev/null 2>&1 || \
		{ echo 'fuzzing needs a nightly toolchain and cargo-fuzz: cargo install cargo-fuzz' >&2; exit 1; }
	@# cargo-fuzz sets RUSTFLAGS, which takes the place of the static linking that .cargo/config.toml asks for and that
	@# no sanitizer works with. Long inputs from the start: the fuzzers plant whole files.
	@set -e; for folder in */fuzz; do \
		for target in $$($(CARGO) +nightly fuzz list --fuzz-dir "$$folder"); do \
			echo "$$folder: $$target"; \
			$(CARGO) +nightly fuzz run --fuzz-dir "$$folder" "$$target" -- \
				-max_total_time=$(SECONDS) -max_len=8192 -len_control=0; \
		done; \
	done

deny: ## check licences, advisories and duplicate versions
	@$(CARGO) deny --version >/dev/null 2>&1 || { echo 'needs cargo-deny: cargo install cargo-deny' >&2; exit 1; }
	$(CARGO) deny check

image: release ## build one container image per exporter, with buildah, podman or docker
	@set -e; \
	for tool in buildah podman docker; do command -v $$tool >/dev/null 2>&1 && break; tool=; done; \
	[ -n "$$tool" ] || { echo 'needs buildah, podman or docker' >&2; exit 1; }; \
	for exporter in $(EXPORTERS); do \
		context=$(TARGET_DIR)/image/$$exporter; \
		mkdir -p $$context; \
		cp $(TARGET_DIR)/$(HOST)/release/$$exporter $$context/; \
		$$tool build --build-arg EXPORTER=$$exporter --tag $(REGISTRY)/$$exporter:$(TAG) \
			--file manifests/Containerfile $$context; \
	done

golden: ## rewrite golden pages, the README's tables, dashboards, alert rules and renderings; read the diff afterwards
	UPDATE_GOLDEN=1 $(CARGO) test --package node-exporter --package apache-exporter --no-fail-fast --test golden --test readme
	UPDATE_GOLDEN=1 $(CARGO) test --package blackbox-exporter --no-fail-fast --test readme
	UPDATE_GOLDEN=1 $(CARGO) test --package logstash-exporter --no-fail-fast --test pages --test readme -- golden readme
	UPDATE_GOLDEN=1 $(CARGO) test --package exporter-tests --test manifests_panels -- what_is_made
	UPDATE_GOLDEN=1 $(CARGO) test --package exporter-tests --test manifests_gate -- overlays_have
	UPDATE_GOLDEN=1 $(CARGO) test --package exporter-tests --test manifests_cluster -- every_overlay_renders

previews: ## draw the dashboards from real data; two minutes
	$(CARGO) build --workspace --bins
	$(CARGO) run --package exporter-tests --example previews

clean: ## remove everything built
	$(CARGO) clean
