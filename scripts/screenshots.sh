#!/usr/bin/env bash
# Takes the README's pictures anew, into docs/images, by a browser test of its own.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

export EVENLIGHT_PICTURES="$ROOT/docs/images"
mkdir -p "$EVENLIGHT_PICTURES"
scripts/browser.sh "$@" --project=pictures
