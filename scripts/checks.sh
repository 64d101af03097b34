# shellcheck shell=bash
# Static checks. Sourced after lib.sh and wasm.sh.

scripts_are_sound() { shellcheck -x scripts/*.sh k8s/*/*.sh .ci/run; }

no_conflict_markers() {
    if git grep -n -E '^(<<<<<<< |>>>>>>> )'; then return 1; fi
}

# Tests await states. Where a duration is what they test, they let it pass by `elapse`.
tests_await_states() {
    if git grep -n -E '(time|thread)::(\{[^}]*)?sleep' -- server/tests server/testkit ':!server/testkit/src/wait.rs'; then return 1; fi
    if git grep -n waitForTimeout -- end2end/specs; then return 1; fi
}

clippy_server() { cargo clippy --locked --workspace --all-targets -- -D warnings; }

# Browser-only code is compiled for WebAssembly only, so clippy must check it there.
clippy_page() {
    cargo clippy --locked -p app --lib --no-default-features --features hydrate \
        --target "$WASM_TARGET" --profile wasm-release --target-dir "$WASM_TARGET_DIR" -- -D warnings
}

documentation() { RUSTDOCFLAGS="-D warnings -A rustdoc::private_intra_doc_links" cargo doc --locked --workspace --no-deps --quiet; }

static_checks() {
    if git rev-parse --git-dir >/dev/null 2>&1; then
        check "no merge conflicts are left" no_conflict_markers
        check "tests await states" tests_await_states
    fi
    check "formatting" cargo fmt --all --check
    if has shellcheck; then check "shellcheck" scripts_are_sound; fi
    check "clippy" clippy_server
    if active_toolchain_has_wasm; then
        check "clippy, the page for WebAssembly" clippy_page
    else
        record "clippy, the page for WebAssembly" "not run: the toolchain has no $WASM_TARGET"
    fi
    check "documentation" documentation
    if [ -x "$TOOLS/bin/cargo-deny" ] || has cargo-deny; then
        check "licences, advisories, sources" scripts/lint-deps.sh
    else
        record "licences, advisories, sources" "not run: make lint-deps installs cargo-deny"
    fi
}
