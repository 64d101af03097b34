#!/usr/bin/env bash
# Long fault tests: 1,000 seeded schedules, 100 runs of processes under faults, and the long forms of other tests. Then writes the report
# to the terminal and docs/chaos.md. CHAOS_RUNS= and CHAOS_SEEDS= make it shorter, CHAOS_PAGE= names another output file.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
. "$ROOT/scripts/test-needs.sh"

RUNS="${CHAOS_RUNS:-100}"
SEEDS="${CHAOS_SEEDS:-1000}"
PAGE="${CHAOS_PAGE:-$ROOT/docs/chaos.md}"
REPORT="$CACHE/chaos-report"

server_tests() { # TEST ARGUMENT…
    local test="$1"
    shift
    EVENLIGHT_REPORT="$REPORT" cargo test --locked --package server --test "$test" -- --nocapture "$@"
}

build_tests() { cargo test --locked --package server --tests --no-run; }

# Other tests with a long form.
long_tests() {
    grep -rl --include='*.rs' EVENLIGHT_LONG server/tests | sed -E 's|^server/tests/([^/.]+).*|\1|' | sort -u |
        grep -vxE 'chaos|schedules'
}

schedules() { EVENLIGHT_SEEDS="$SEEDS" server_tests schedules; }

# All but the runs from seeds, and the page's assembly.
named_runs() {
    EVENLIGHT_LONG=1 server_tests chaos --include-ignored --test-threads=1 --skip seeded:: --skip page::write_the_page
}

seeded_runs() { EVENLIGHT_CHAOS_RUNS="$RUNS" server_tests chaos seeded --include-ignored; }

long_form() { EVENLIGHT_LONG=1 server_tests "$1"; }

first_line() { "$@" 2>/dev/null | head -n 1; }

facts() {
    printf 'date\t%s\n' "$(date -u +%Y-%m-%d)"
    printf 'commit\t%s\n' "$(git rev-parse --short HEAD 2>/dev/null || echo unknown)"
    printf 'machine\t%s × %s, %s GiB, %s\n' "$(nproc)" "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)" \
        "$(awk '/^MemTotal/ { printf "%d", $2 / 1048576 + 0.5 }' /proc/meminfo)" "$(uname -sm)"
    printf 'ZooKeeper\t%s, three servers\n' "$(dpkg-query -W -f '${Version}' zookeeper 2>/dev/null || echo unknown)"
    printf 'PostgreSQL\t%s\n' "$(first_line sh -c '/usr/lib/postgresql/*/bin/postgres --version')"
    printf 'Java\t%s\n' "$(java -version 2>&1 | head -n 1)"
    printf 'Rust\t%s\n' "$(first_line rustc --version)"
    printf 'build\tdevelopment profile\n'
}

steps() {
    local i
    for ((i = 0; i < ${#STEP_NAMES[@]}; i++)); do
        printf '%s\t%s\n' "${STEP_NAMES[$i]}" "${STEP_RESULTS[$i]}"
    done
}

need_rust
step "Debian packages that the tests need" test_packages
step "Python packages that the tests need" python_packages
rm -rf "$REPORT"
mkdir -p "$REPORT"
check "build the tests" build_tests
# The steps from here on are listed on the page.
STEP_NAMES=()
STEP_RESULTS=()
check "$SEEDS seeded schedules on the embedded coordinator" schedules
check "processes: each kind of fault, long forms" named_runs
check "processes: $RUNS runs from seeds" seeded_runs
for test in $(long_tests); do
    check "long form of the tests \`$test\`" long_form "$test"
done
facts >"$REPORT/facts.tsv"
steps >"$REPORT/steps.tsv"
EVENLIGHT_REPORT="$REPORT" EVENLIGHT_PAGE="$PAGE" cargo test --locked --quiet --package server --test chaos -- \
    --nocapture --ignored --exact page::write_the_page
say "written to $PAGE"
summary
if [ "$FAILED_STEPS" -gt 0 ]; then
    die "$FAILED_STEPS of these steps failed; the output of each is above, with the seeds to run again."
fi
