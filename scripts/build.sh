#!/usr/bin/env bash
# Leaves target/release/evenlight, the site embedded: one file to copy.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

# Never EVENLIGHT_BINARY, which names a binary to use, not a place to write to.
BINARY="$ROOT/target/release/evenlight"

compile() { cargo build --locked --release -p server; }

place() {
    # Cargo may keep its results elsewhere (CARGO_TARGET_DIR); people and tests find the binary here all the same.
    if ! [ "$TARGET_DIR/release/evenlight" -ef "$BINARY" ]; then
        mkdir -p "$(dirname "$BINARY")"
        ln -f "$TARGET_DIR/release/evenlight" "$BINARY" 2>/dev/null || cp -f "$TARGET_DIR/release/evenlight" "$BINARY"
    fi
    say "target/release/evenlight: $(($(wc -c <"$BINARY") / 1000000)) MB"
}

need_rust
scripts/site.sh
step "compile the server, optimized" compile
place
