#!/usr/bin/env bash
# Removes everything built and installed inside this folder. Keeps data (./data) and the tool cache.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

for path in target target-wasm end2end/node_modules end2end/test-results end2end/playwright-report end2end/screenshots .venv; do
    if [ -e "$path" ] || [ -L "$path" ]; then
        say "removing $path"
        rm -rf "$path"
    fi
done
say "kept: ./data, and $CACHE"
