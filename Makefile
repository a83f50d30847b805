# Everything that is done to this repository, by hand or by a machine. It needs
# Go, git, make, curl and a C compiler (for the race detector); and to test, root, or user
# namespaces and a /dev/net/tun that users may open.

SHELL       := bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS   += --no-builtin-rules
.DEFAULT_GOAL := help

MODULE  := github.com/netchecker/netchecker
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
COMMIT  ?= $(shell git rev-parse HEAD 2>/dev/null)
# The commit's date, not today's, so that one commit makes one binary.
DATE    ?= $(shell git log -1 --format=%cI 2>/dev/null)
LDFLAGS := -s -w \
	-X $(MODULE)/pkg/version.Version=$(VERSION) \
	-X $(MODULE)/pkg/version.Commit=$(COMMIT) \
	-X $(MODULE)/pkg/version.Date=$(DATE)

# What the tests run besides netchecker; ETCD and KUBE_APISERVER name programs that
# are there already. Tests of what needs more have a build tag, and a target below.
TEST_TOOLS  := etcd kube-apiserver
CHART_TOOLS := helm promtool $(TEST_TOOLS)
OLDER_TOOLS := etcd34 etcd35
ALL_TAGS    := chart,e2e,older,rolling
# Netchecker as it was released.
RELEASED    := released-server released-agent
# What the cluster consists of, the etcd that stands beside a server in it, and the
# Prometheus that watches.
E2E_TOOLS := etcd etcd35 kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy kubectl helm \
	containerd containerd-shim-runc-v2 ctr coredns prometheus
# What builds images: docker whose daemon answers, if it has buildx, since its old
# builder does not know BUILDPLATFORM, else buildah, if not given; the registry that
# they are for, as in: registry.example.com; and flags for the build, as in:
# --platform linux/arm64 --build-arg BUILDER=…
CONTAINER_TOOL ?=
REGISTRY       ?=
IMAGEFLAGS     ?=
# Flags for go test, as in: make test TESTFLAGS='-run Absent -v'
TESTFLAGS ?=
# Flags for the benchmark, and the commit whose binaries it can compare with.
BENCHFLAGS ?=
AGAINST    ?=
# What chance follows from in the campaign of faults, and its flags.
SEED          ?= 1
CAMPAIGNFLAGS ?=
# Areas of the end-to-end tests, none: all; and of make thorough.
E2E   ?=
AREA  ?=
FRESH ?=
# How many nodes the cluster starts with, and further flags, as in:
# make cluster-up NODES=5 CLUSTERFLAGS=-dual-stack
NODES        ?= 3
CLUSTERFLAGS ?=
# How long each fuzz target runs.
FUZZTIME ?= 30s

# Says every 15 s that a step goes on.
MOVING := test/tools/moving

.PHONY: help
help: ## Print this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: modules
modules:
	@$(MOVING) "Downloading Go modules" go mod download

.PHONY: build
build: modules ## Build both binaries into bin/
	@$(MOVING) "Building netchecker-server and netchecker-agent" \
		env CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/netchecker-server ./server
	@env CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/netchecker-agent ./agent
	@bin/netchecker-server -version

# The demo and the benchmark are run as programs of their own: go run would not
# pass on a SIGTERM.
.PHONY: run
run: build ## Start a server and six agents here, print the verdict, stay until Ctrl-C
	@go build -o bin/demo ./test/demo
	@exec bin/demo

# Which tests there are is a matter of packages and build tags. A tool that is missing
# is an error, and never a reason to leave one out. The Go tool would take the result
# of test/system from its cache where only the binaries that it builds have changed:
# with -shuffle or -count it does not. Most tests wait more than they compute: so more
# packages at a time than there are processors. What does nothing but compute, in one
# goroutine, runs without the race detector.
.PHONY: test
test: ## Run the tests, against a real etcd and a real kube-apiserver
	@go run ./test/tools/build --for "make test" --minutes 6 $(TEST_TOOLS)
	@$(MOVING) "Downloading Go modules" go mod download
	@$(MOVING) "Checking with go vet" go vet ./...
	@$(MOVING) "Testing" go test -race -shuffle=on -timeout 20m -p $$(( 2 * $$(nproc) )) $(TESTFLAGS) ./...
	@$(MOVING) "Injecting faults into simulated clusters" go test -shuffle=on $(TESTFLAGS) ./test/campaign

.PHONY: chart
chart: modules ## Check chart and examples: lint, every switch, every alert, every metric
	@go run ./test/tools/build --for "make chart" --minutes 2 $(CHART_TOOLS)
	@$(MOVING) "Checking chart and examples" go test -tags chart $(TESTFLAGS) ./test/chart/...
	@$(MOVING) "Checking metrics with promtool" go test -tags chart -count=1 -run '^TestPromtool' ./test/system

.PHONY: older-etcds
older-etcds: modules ## Test with the older releases of etcd that are supported
	@go run ./test/tools/build --for "make older-etcds" --minutes 1 $(OLDER_TOOLS)
	@$(MOVING) "Testing with older etcds" go test -race -tags older -count=1 -run Older ./test/etcdtest ./test/system ./server/store

.PHONY: rolling
rolling: modules ## Test rolling updates and rollbacks, beside the binaries of the release
	@go run ./test/tools/build --for "make rolling" --minutes 2 etcd $(RELEASED)
	@$(MOVING) "Testing beside the release" go test -race -tags rolling -count=1 -run TheRelease $(TESTFLAGS) ./test/system

.PHONY: lint
lint: modules ## Check formatting, go vet and staticcheck
	@unformatted=$$(gofmt -l agent pkg server test); \
		if [ -n "$$unformatted" ]; then echo "gofmt would change:"; echo "$$unformatted"; exit 1; fi
	@$(MOVING) "Checking with go vet" go vet -tags $(ALL_TAGS) ./...
	@staticcheck=$$(go run ./test/tools/build --path staticcheck); \
		$(MOVING) "Checking with staticcheck" "$$staticcheck" -tags $(ALL_TAGS) ./...

.PHONY: bench
bench: build ## Measure throughput, latency and memory, and print the figures
	@go run ./test/tools/build etcd kube-apiserver
	@go build -o bin/bench ./test/bench
	@exec bin/bench $(BENCHFLAGS)

# Rounds are shorter than those of make bench, and more: it takes about 25 minutes.
.PHONY: bench-against
bench-against: build ## Measure the binaries of the commit AGAINST and these in turn, and say what got worse
	@go run ./test/tools/build etcd kube-apiserver
	@go build -o bin/bench ./test/bench
	@old=$$(test/bench/build-commit '$(AGAINST)'); \
		exec bin/bench -against "$$old" -rounds 11 -interval 10 -memory-seconds 25 $(BENCHFLAGS)

.PHONY: campaign
campaign: modules ## Inject faults into simulated clusters, and print how the diagnosis names them; SEED=1, CAMPAIGNFLAGS='-nodes 3,10 -count 20'
	@go build -o bin/campaign ./test/campaign
	@exec bin/campaign -seed $(SEED) $(CAMPAIGNFLAGS)

.PHONY: examples
examples: modules ## Write the examples that are made from the chart
	@go run ./test/tools/build helm
	@go run ./test/chart/write

.PHONY: images
images: export DOCKER_BUILDKIT = 1
images: ## Build both images, for REGISTRY, and print how to push and install them
	@tool='$(CONTAINER_TOOL)'; registry='$(REGISTRY:/=)'; \
		if [ -z "$$tool" ] && docker buildx version >/dev/null 2>&1 && docker version >/dev/null 2>&1; then tool=docker; fi; \
		if [ -z "$$tool" ] && command -v buildah >/dev/null; then tool=buildah; fi; \
		if [ -z "$$tool" ]; then \
			echo "make images needs docker, with buildx and its daemon running, or buildah; CONTAINER_TOOL names another" >&2; exit 1; fi; \
		for room in server agent; do \
			image="$${registry:+$$registry/}netchecker/netchecker-$$room:$(VERSION)"; \
			$(MOVING) "Building $$image with $$tool" \
				$$tool build $(IMAGEFLAGS) -f Dockerfile.$$room -t "$$image" \
				--build-arg VERSION='$(VERSION)' --build-arg COMMIT='$(COMMIT)' --build-arg DATE='$(DATE)' .; \
		done; \
		for room in server agent; do \
			[ -z "$$registry" ] || echo "$$tool push $$registry/netchecker/netchecker-$$room:$(VERSION)"; \
		done; \
		echo "helm install netchecker helm-chart/netchecker --namespace netchecker --create-namespace" \
			"--set-string $${registry:+image.registry=$$registry,}image.tag=$(VERSION)"

.PHONY: fuzz
fuzz: modules ## Fuzz what reads bytes from the network, FUZZTIME=30s each
	@for package in ./pkg/report ./pkg/datagram; do \
		for target in $$(go test -list '^Fuzz' $$package | grep '^Fuzz'); do \
			go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$package; \
		done; \
	done

.PHONY: tools
tools: ## Build the etcd and kube-apiserver of the tests, once, into a cache outside this folder
	@go run ./test/tools/build $(TEST_TOOLS)

# All that .ci/run needs, whose times it tells one by one.
.PHONY: all-tools
all-tools:
	@go run ./test/tools/build $(sort $(CHART_TOOLS) $(OLDER_TOOLS) $(RELEASED) $(E2E_TOOLS) staticcheck)

.PHONY: cluster
cluster: modules
	@go build -o bin/cluster ./test/cluster

.PHONY: cluster-up
cluster-up: cluster ## Bring up a real Kubernetes cluster of NODES=3 nodes on this machine (root)
	@exec bin/cluster up -nodes $(NODES) $(CLUSTERFLAGS)

.PHONY: cluster-down
cluster-down: cluster ## Take the cluster down, and leave nothing of it
	@exec bin/cluster down

.PHONY: cluster-shell
cluster-shell: cluster ## Open a shell in the cluster's network, with kubectl and helm
	@exec bin/cluster shell

.PHONY: e2e
e2e: export PATH := $(PATH):/usr/sbin:/sbin
e2e: modules cluster ## Test images and chart in a real cluster on this machine (root); by area: E2E=install,faults
	@test/e2e/needs
	@go run ./test/tools/build --for "make e2e" --minutes 20 $(E2E_TOOLS)
	@$(MOVING) "Checking with go vet" go vet -tags e2e ./test/cluster/... ./test/e2e
	@E2E='$(E2E)' TESTFLAGS='$(TESTFLAGS)' test/e2e/run

.PHONY: thorough
thorough: export PATH := $(PATH):/usr/sbin:/sbin
thorough: modules cluster ## Run whole, or by AREA=, what other targets run a part of; goes on where it was stopped, FRESH=1 anew
	@test/e2e/needs
	@go run ./test/tools/build $(E2E_TOOLS)
	@AREA='$(AREA)' FRESH='$(FRESH)' test/sweep/thorough

.PHONY: clean
clean: ## Remove what was built here; the tools' cache stays
	rm -rf bin .run
