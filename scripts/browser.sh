#!/usr/bin/env bash
# Runs the browser tests in Chromium on the release binary. Arguments go to Playwright; --no-build as the first one skips the build.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
. "$ROOT/scripts/test-needs.sh"

if [ "${1:-}" = --no-build ]; then
    shift
else
    step "Debian packages that the tests need" test_packages
    step "npm packages that the tests need" npm_packages
    scripts/build.sh
fi

CHROMIUM="$(command -v "${CHROMIUM:-chromium}")" || die "Chromium is missing. Install it, or name it: CHROMIUM=/path/to/chrome make browser"
export CHROMIUM
export EVENLIGHT_BINARY="$BINARY"
cd end2end
if ! npx --no-install playwright test "$@" </dev/null; then
    printf '==> the end of the server'"'"'s log (end2end/server.log)\n'
    tail -n 30 server.log || true
    exit 1
fi
