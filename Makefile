# Every target is a script of the same name in scripts/. ARGS= is handed on, e.g. make run ARGS="--listen 0.0.0.0:8080".

.DEFAULT_GOAL := help
.PHONY: help run build test bench chaos fuzz browser lint lint-deps cluster k8s-image k8s-up k8s-test screenshots clean

help: ## this list
	@awk -F ' *## *' '/^[a-z0-9-]+:.*##/ { sub(/:.*/, "", $$1); printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## install what is missing, build, and serve five pods on http://127.0.0.1:3000 (ARGS= adds options)
	@scripts/run.sh $(ARGS)

build: ## leave target/release/evenlight, the site embedded
	@scripts/build.sh

test: ## install what the tests need and run everything
	@scripts/test.sh

bench: ## us beside OpenCV, libvips and ImageMagick, and the array at work; writes docs/benchmarks.md (BENCH=short: a quick look)
	@scripts/bench.sh

chaos: ## faults at length, about an hour or two: seeded schedules, runs of processes (CHAOS_RUNS=100), and docs/chaos.md
	@scripts/chaos.sh

fuzz: ## fuzz each decoder and the kernels, FUZZ_SECONDS each (600; ARGS= names targets); the corpus grows
	@scripts/fuzz.sh $(ARGS)

browser: ## the browser tests alone (ARGS= goes to Playwright, e.g. ARGS="failover --headed")
	@scripts/browser.sh $(ARGS)

lint: ## formatting, clippy, documentation, shell scripts
	@scripts/lint.sh

lint-deps: ## licences, advisories and sources of the dependencies (installs cargo-deny, some minutes, once)
	@scripts/lint-deps.sh

cluster: ## a real three-server ZooKeeper and five processes on this machine; Ctrl-C stops them all
	@scripts/cluster.sh $(ARGS)

k8s-image: ## an image for Kubernetes, by docker or podman, else as a plain root folder (ARGS=TAG)
	@scripts/k8s-image.sh $(ARGS)

k8s-up: ## apply k8s/ to the cluster that KUBECONFIG names (ARGS= an overlay; minikube by default)
	@scripts/k8s-up.sh $(ARGS)

k8s-test: ## play faults on real pods in the cluster that KUBECONFIG names, and write down how long each took
	@scripts/k8s-test.sh

screenshots: ## take the README's pictures anew
	@scripts/screenshots.sh

clean: ## remove what was built (not ./data, not the cache of tools)
	@scripts/clean.sh
