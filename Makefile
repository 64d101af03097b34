# Every target runs the script of the same name in scripts/ and passes ARGS= to it, e.g. make run ARGS="--listen 0.0.0.0:8080".

.DEFAULT_GOAL := help
.PHONY: help run build test bench chaos fuzz browser lint lint-deps cluster k8s-image k8s-up k8s-test screenshots clean

help: ## this list
	@awk -F ' *## *' '/^[a-z0-9-]+:.*##/ { sub(/:.*/, "", $$1); printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## install what is missing, build, and serve five pods on http://127.0.0.1:3000 (ARGS= adds options)
	@scripts/run.sh $(ARGS)

build: ## build target/release/evenlight with the site embedded
	@scripts/build.sh

test: ## install what the tests need and run everything
	@scripts/test.sh

bench: ## compare with OpenCV, libvips and ImageMagick, and measure the array; writes docs/benchmarks.md (BENCH=short: a quick look)
	@scripts/bench.sh

chaos: ## long fault tests, an hour or two: seeded schedules, runs of processes (CHAOS_RUNS=100); writes docs/chaos.md
	@scripts/chaos.sh

fuzz: ## fuzz each decoder and the kernels, FUZZ_SECONDS each (600; ARGS= selects targets); extends the corpus
	@scripts/fuzz.sh $(ARGS)

browser: ## the browser tests alone (ARGS= goes to Playwright, e.g. ARGS="failover --headed")
	@scripts/browser.sh $(ARGS)

lint: ## formatting, clippy, documentation, shell scripts
	@scripts/lint.sh

lint-deps: ## licences, advisories and sources of the dependencies (installs cargo-deny, some minutes, once)
	@scripts/lint-deps.sh

cluster: ## start a three-server ZooKeeper and five processes on this machine; Ctrl-C stops them all
	@scripts/cluster.sh $(ARGS)

k8s-image: ## build the Kubernetes image with docker or podman, else as a root folder (ARGS=TAG)
	@scripts/k8s-image.sh $(ARGS)

k8s-up: ## apply k8s/ to the cluster in KUBECONFIG (ARGS= an overlay; minikube by default)
	@scripts/k8s-up.sh $(ARGS)

k8s-test: ## inject faults into real pods in the cluster in KUBECONFIG, and measure them
	@scripts/k8s-test.sh

screenshots: ## take the README's screenshots
	@scripts/screenshots.sh

clean: ## remove build results (not ./data, not the tool cache)
	@scripts/clean.sh
