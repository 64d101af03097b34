#!/usr/bin/env bash
# Installs what the tests need and runs everything: checks, unit, property, conformance and integration tests against real
# ZooKeeper, PostgreSQL and S3 servers, and the browser tests on the release binary. Goes on after a failure, to report all at once.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
. "$ROOT/scripts/wasm.sh"
. "$ROOT/scripts/checks.sh"
. "$ROOT/scripts/test-needs.sh"
. "$ROOT/scripts/k8s-lib.sh"

rust_tests() { cargo test --locked --workspace --no-fail-fast; }

types_of_browser_tests() { (cd end2end && npx --no-install tsc --noEmit); }

need_rust
step "Debian packages that the tests need" test_packages
step "Python packages that the tests need" python_packages
step "npm packages that the tests need" npm_packages
# First of all, as clippy, documentation and tests need no site but the browser does, and as it adds the WebAssembly target.
check "build the site and the release binary" scripts/build.sh
static_checks
if find_kustomize; then
    check "Kubernetes manifests" scripts/k8s-manifests.sh
else
    record "Kubernetes manifests" "not run: neither kubectl (1.21 or newer) nor kustomize is here to build them"
fi
check "unit, property, conformance and integration tests" rust_tests
check "types of the browser tests" types_of_browser_tests
if [ -x "$BINARY" ]; then
    check "browser tests" scripts/browser.sh --no-build
else
    record "browser tests" "not run: there is no release binary"
fi
summary
if [ "$FAILED_STEPS" -gt 0 ]; then
    die "$FAILED_STEPS of these steps failed; each says above what it met."
fi
