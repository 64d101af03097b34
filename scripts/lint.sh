#!/usr/bin/env bash
# Formatting, clippy, documentation and the shell scripts.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
. "$ROOT/scripts/wasm.sh"
. "$ROOT/scripts/checks.sh"

need_rust
static_checks
summary
[ "$FAILED_STEPS" -eq 0 ]
