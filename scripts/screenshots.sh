#!/usr/bin/env bash
# Takes the README's screenshots, into docs/images, with a browser test.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

export EVENLIGHT_PICTURES="$ROOT/docs/images"
mkdir -p "$EVENLIGHT_PICTURES"
scripts/browser.sh "$@" --project=pictures
