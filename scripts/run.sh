#!/usr/bin/env bash
# Builds what is missing and starts the array: five pods in one process, with fault injection. Arguments are passed to evenlight.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

scripts/build.sh
trap - EXIT
exec "$BINARY" serve --pods 5 --whole-below 0 --allow-faults --listen 127.0.0.1:3000 --data ./data "$@"
