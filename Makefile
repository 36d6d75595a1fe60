# The words people and CI use. `make` alone lists them.

EXPORTERS = node-exporter blackbox-exporter apache-exporter logstash-exporter log-exporter
CARGO ?= cargo
# Flags for the exporter that `make run` starts.
ARGS ?=
# Seconds for each fuzz target.
SECONDS ?= 60
# Images: the prefix of their names, their tag, the architectures in them (amd64, arm64), what builds them, and the
# address of the sources as a label.
REGISTRY ?= localhost
TAG ?= $(VERSION)
ARCHS ?= $(ARCH_$(HOST))
IMAGE_TOOL ?= $(shell for tool in buildah podman docker; do command -v $$tool && break; done)
SOURCE ?=
VERSION = $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)

# What is looked for, and the Debian package that brings it.
LINKER = cc:gcc /usr/include/stdio.h:libc6-dev
PEERS = prometheus:prometheus promtool:prometheus prometheus-alertmanager:prometheus-alertmanager podman:podman \
	buildah:buildah crun:crun catatonit:catatonit systemd-analyze:systemd dbus-daemon:dbus-daemon apache2:apache2 \
	htpasswd:apache2-utils curl:curl openssl:openssl nginx:nginx unbound:unbound prlimit:util-linux setpriv:util-linux \
	unshare:util-linux ip:iproute2 supervisord:supervisor valgrind:valgrind \
	/etc/ssl/certs/ca-certificates.crt:ca-certificates

# Where cargo puts programs: .cargo/config.toml names this machine's own target.
TARGET_DIR = $(or $(CARGO_TARGET_DIR),target)
HOST = $(shell rustc -vV | sed -n 's/^host: //p')

# Rust's names of the architectures that images are for, and the compiler that links for one from another.
TARGET_amd64 = x86_64-unknown-linux-gnu
TARGET_arm64 = aarch64-unknown-linux-gnu
ARCH_x86_64-unknown-linux-gnu = amd64
ARCH_aarch64-unknown-linux-gnu = arm64
ifneq ($(ARCH_$(HOST)),arm64)
programs-arm64: export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER ?= aarch64-linux-gnu-gcc
endif
ifneq ($(ARCH_$(HOST)),amd64)
programs-amd64: export CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_LINKER ?= x86_64-linux-gnu-gcc
endif
# In place of the flags in .cargo/config.toml, some of which are for the linker that Rust brings on x86-64: elsewhere it
# takes the system's, and GNU's refuses them.
programs-arm64: export RUSTFLAGS = -C target-feature=+crt-static

# The same programs make the same image, byte for byte: what it tells of time is the commit's.
SOURCE_DATE_EPOCH ?= $(or $(shell git log -1 --format=%ct 2>/dev/null),0)
IMAGE_CONTEXT = $(TARGET_DIR)/image
COMMA = ,
SPACE = $(subst ,, )
# docker joins architectures under a tag; buildah and podman want to hear that it is a list.
DOCKER = $(findstring docker,$(notdir $(IMAGE_TOOL)))
LIST = $(if $(DOCKER),,$(word 2,$(ARCHS)))

# What `--version` and the build_info series tell of these builds.
release run run-log-exporter image programs-%: export EXPORTER_REVISION = $(shell git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)
release run run-log-exporter image programs-%: export EXPORTER_BRANCH = $(shell git rev-parse --abbrev-ref HEAD 2>/dev/null || echo unknown)

.PHONY: help run run-log-exporter test deps build release bench fmt fuzz deny image push golden counts previews layout clean

help: ## list these words
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## build node-exporter and run it on port 9100; ARGS="--flag ..." for more
	@./tests/debian-packages.sh $(LINKER)
	$(CARGO) build --release --package node-exporter
	@echo 'look at http://localhost:9100/ and http://localhost:9100/metrics; stop with Ctrl-C'
	@exec $(TARGET_DIR)/$(HOST)/release/node-exporter $(ARGS)

run-log-exporter: ## build log-exporter and run it on port 9144 over a sample tree of logs that grows
	@./tests/debian-packages.sh $(LINKER)
	$(CARGO) build --release --package log-exporter
	@echo 'look at http://localhost:9144/metrics; logs are written to $(TARGET_DIR)/sample-logs; stop with Ctrl-C'
	@log-exporter/sample-tree.sh $(TARGET_DIR)/sample-logs $$$$ & \
		exec $(TARGET_DIR)/$(HOST)/release/log-exporter --path.pod-logs=$(TARGET_DIR)/sample-logs --start.at=beginning \
		--config.file=manifests/base/log-exporter/patterns.yml $(ARGS)

test: deps ## everything CI wants: format, lints, documentation, all tests
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --workspace --no-deps
	$(CARGO) build --workspace --bins --tests
	@# Instructions, endurance and small memory are about the program people run.
	$(CARGO) build --profile measure --package node-exporter
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

layout: ## write node-exporter/layout.ld anew: the code of a scrape, for the linker to put side by side
	@command -v valgrind >/dev/null && command -v curl >/dev/null || { echo 'needs valgrind and curl' >&2; exit 1; }
	@node-exporter/layout.sh

deny: ## check licences, advisories and duplicate versions
	@$(CARGO) deny --version >/dev/null 2>&1 || { echo 'needs cargo-deny: cargo install cargo-deny' >&2; exit 1; }
	$(CARGO) deny check

image: $(addprefix programs-,$(ARCHS)) ## build one container image per exporter; ARCHS="amd64 arm64" joins both
	@[ -n '$(IMAGE_TOOL)' ] || { echo 'needs buildah, podman or docker' >&2; exit 1; }
	@set -e; for exporter in $(EXPORTERS); do \
		name=$(REGISTRY)/$$exporter:$(TAG); \
		$(if $(LIST),$(IMAGE_TOOL) rmi $$name >/dev/null 2>&1 || true;) \
		$(IMAGE_TOOL) build --target $$exporter $(if $(LIST),--manifest,--tag) $$name \
			$(if $(DOCKER),--build-arg SOURCE_DATE_EPOCH=,--timestamp )$(SOURCE_DATE_EPOCH) \
			--platform $(subst $(SPACE),$(COMMA),$(addprefix linux/,$(ARCHS))) \
			--build-arg VERSION=$(VERSION) --build-arg REVISION=$$EXPORTER_REVISION \
			--build-arg CREATED=$$(date -u -d @$(SOURCE_DATE_EPOCH) +%Y-%m-%dT%H:%M:%SZ) \
			$(if $(SOURCE),--label org.opencontainers.image.source=$(SOURCE)) \
			--file manifests/Containerfile $(IMAGE_CONTEXT); \
	done

push: ## push the images to their registry: REGISTRY=registry.example.org/monitoring
	@set -e; for exporter in $(EXPORTERS); do \
		name=$(REGISTRY)/$$exporter:$(TAG); \
		$(if $(LIST),$(IMAGE_TOOL) manifest push --all $$name docker://$$name,$(IMAGE_TOOL) push $$name); \
	done

programs-%:
	$(CARGO) build --release --target $(TARGET_$*) $(addprefix --package ,$(EXPORTERS))
	@mkdir -p $(IMAGE_CONTEXT)/$*
	install -m 755 $(EXPORTERS:%=$(TARGET_DIR)/$(TARGET_$*)/release/%) $(IMAGE_CONTEXT)/$*

golden: ## rewrite golden pages, the README's tables, dashboards, alert rules and renderings; read the diff afterwards
	UPDATE_GOLDEN=1 $(CARGO) test --package node-exporter --package apache-exporter --no-fail-fast --test golden --test readme
	UPDATE_GOLDEN=1 $(CARGO) test --package blackbox-exporter --package log-exporter --no-fail-fast --test readme
	UPDATE_GOLDEN=1 $(CARGO) test --package logstash-exporter --no-fail-fast --test pages --test readme -- golden readme
	UPDATE_GOLDEN=1 $(CARGO) test --package exporter-tests --test manifests_panels -- what_is_made
	UPDATE_GOLDEN=1 $(CARGO) test --package exporter-tests --test manifests_gate -- overlays_have
	UPDATE_GOLDEN=1 $(CARGO) test --package exporter-tests --test manifests_cluster -- every_overlay_renders

counts: ## rewrite what a scrape costs in instructions, and show the functions behind it
	@./tests/debian-packages.sh $(LINKER) valgrind:valgrind
	$(CARGO) build --profile measure --package node-exporter
	UPDATE_GOLDEN=1 $(CARGO) test --package exporter-tests --test instructions -- --nocapture takes_the

previews: ## draw the dashboards from real data; two minutes
	$(CARGO) build --workspace --bins
	$(CARGO) run --package exporter-tests --example previews

clean: ## remove everything built
	$(CARGO) clean
