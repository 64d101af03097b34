#!/usr/bin/env bash
# Takes the README's pictures anew, into docs/pictures, by a browser test of its own.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

export EVENLIGHT_PICTURES="$ROOT/docs/pictures"
mkdir -p "$EVENLIGHT_PICTURES"
scripts/browser.sh "$@" --project=pictures
