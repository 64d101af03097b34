#!/usr/bin/env bash
# Installs what the tests need and runs everything: checks, unit, property, conformance and integration tests against real
# ZooKeeper, PostgreSQL and S3 servers, and the browser tests on the release binary. Continues after a failure, to report all at once.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
. "$ROOT/scripts/wasm.sh"
. "$ROOT/scripts/checks.sh"
. "$ROOT/scripts/test-needs.sh"
. "$ROOT/scripts/k8s-lib.sh"

# A dozen runs of real processes under faults, which mostly wait. The skipped tests only measure, or write a page.
chaos_runs() {
    cargo test --locked --workspace --test chaos -- --include-ignored --test-threads=1 \
        --skip failovers_with_a_session_timeout_of_ten_seconds --skip write_the_page
}

rust_tests() {
    local chaos log="$CACHE/chaos-runs.log" failed=0
    cargo test --locked --workspace --no-run
    chaos_runs >"$log" 2>&1 &
    chaos=$!
    # shellcheck disable=SC2064
    trap "kill $chaos 2>/dev/null || true" EXIT
    cargo test --locked --workspace --no-fail-fast || failed=1
    say "waiting for the runs under faults; done so far: $(grep -c '^test .*ok$' "$log" || true) runs"
    wait "$chaos" || failed=1
    trap - EXIT
    grep -v '^    failover' "$log"
    return "$failed"
}

types_of_browser_tests() { (cd end2end && npx --no-install tsc --noEmit); }

need_rust
step "Debian packages that the tests need" test_packages
step "Python packages that the tests need" python_packages
step "npm packages that the tests need" npm_packages
# First, because it adds the WebAssembly target, and the browser tests need the site.
check "build the site and the release binary" scripts/build.sh
check "the page is within its budget of bytes" scripts/size.sh
static_checks
if find_kustomize; then
    check "Kubernetes manifests" scripts/k8s-manifests.sh
else
    record "Kubernetes manifests" "not run: neither kubectl (1.21 or newer) nor kustomize is installed"
fi
check "unit, property, conformance and integration tests" rust_tests
check "other libraries reproduce the golden file" .venv/bin/python scripts/golden/libraries.py --check
check "types of the browser tests" types_of_browser_tests
if [ -x "$BINARY" ]; then
    check "browser tests" scripts/browser.sh --no-build
else
    record "browser tests" "not run: no release binary"
fi
summary
if [ "$FAILED_STEPS" -gt 0 ]; then
    die "$FAILED_STEPS of these steps failed; see the output of each above."
fi
