#!/usr/bin/env bash
# Licences, advisories, duplicates and sources of the dependencies, by deny.toml. cargo-deny is compiled once into the cache.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

VERSION=0.20.2

install_cargo_deny() {
    CARGO_TARGET_DIR="$CACHE/tools-build" cargo install cargo-deny --version "$VERSION" --locked --root "$TOOLS" </dev/null
    rm -rf "$CACHE/tools-build"
}

deny() { cargo deny --locked --all-features check; }

need_rust
if ! [ -x "$TOOLS/bin/cargo-deny" ] && ! has cargo-deny; then
    step "install cargo-deny $VERSION (once, some minutes)" install_cargo_deny
fi
PATH="$TOOLS/bin:$PATH"
step "cargo deny" deny
