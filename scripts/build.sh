#!/usr/bin/env bash
# Builds target/release/evenlight with the site embedded: a single file.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

# Not EVENLIGHT_BINARY: that names a binary to use, not a place to write to.
BINARY="$ROOT/target/release/evenlight"

compile() { cargo build --locked --release -p server; }

place() {
    # With another CARGO_TARGET_DIR, link the binary to the place where users and tests expect it.
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
