#!/usr/bin/env bash
# Licences, bans, sources and advisories of the dependencies, by deny.toml. cargo-deny is compiled once into the cache.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

VERSION=0.20.2

install_cargo_deny() {
    CARGO_TARGET_DIR="$CACHE/tools-build" cargo install cargo-deny --version "$VERSION" --locked --root "$TOOLS" </dev/null
    rm -rf "$CACHE/tools-build"
}

licences_bans_sources() { cargo deny --locked check --hide-inclusion-graph licenses bans sources; }

advisories() {
    if cargo deny --locked fetch db >"$CACHE/advisories.log" 2>&1; then
        cargo deny --locked check --disable-fetch --hide-inclusion-graph advisories
    else
        say "the advisory database (github.com/rustsec/advisory-db) is unreachable: advisories are not checked"
    fi
}

need_rust
if ! [ -x "$TOOLS/bin/cargo-deny" ] && ! has cargo-deny; then
    step "install cargo-deny $VERSION (once, a few minutes)" install_cargo_deny
fi
PATH="$TOOLS/bin:$PATH"
step "licences, bans and sources" licences_bans_sources
step "advisories" advisories
