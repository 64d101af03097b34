#!/usr/bin/env bash
# Compares Evenlight with OpenCV, libvips and ImageMagick, and measures the array, in one run; writes docs/benchmarks.md.
# BENCH=short is a quick look; BENCH_PAGE= names another output file, BENCH_PARTS=kernels,files,arrays,gigapixel selects parts.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

PAGE="${BENCH_PAGE:-$ROOT/docs/benchmarks.md}"
ARGUMENTS=(--page "$PAGE" --json "$CACHE/bench.json" --binary "$BINARY")

# In a separate venv, because the tests need only OpenCV of these libraries.
rivals() {
    local key
    key="$( (cat scripts/bench/requirements.txt && python3 --version) | cksum | cut -d ' ' -f 1)"
    VENV="$CACHE/bench-venv-$key"
    [ -f "$VENV/complete" ] && return
    rm -rf "$VENV"
    python3 -m venv "$VENV"
    "$VENV/bin/python" -m pip install --quiet --requirement scripts/bench/requirements.txt </dev/null ||
        die "pip could not install the packages in scripts/bench/requirements.txt: OpenCV, libvips and a ZooKeeper client."
    touch "$VENV/complete"
}

examples() {
    cargo build --locked --release -p shared --features decode --example kernel_times --example decode_times
    ARGUMENTS+=(--decoder "$TARGET_DIR/release/examples/decode_times")
}

measure() { EVENLIGHT_EXAMPLES="$TARGET_DIR/release/examples" "$VENV/bin/python" scripts/bench/run.py "${ARGUMENTS[@]}"; }

[ "$(uname -s)" = Linux ] || die "make bench reads processors' time and memory from Linux's /proc; this is $(uname -s)."
need_rust
step "Debian packages that the benchmarks need" apt_install "make bench" imagemagick time zookeeper default-jre-headless python3 python3-venv
step "the libraries to compare with" rivals
[ -n "${EVENLIGHT_SKIP_BUILD:-}" ] || scripts/build.sh
step "compile the timers of kernels and decoders" examples
[ "${BENCH:-}" != short ] || ARGUMENTS+=(--short)
[ -z "${BENCH_PARTS:-}" ] || ARGUMENTS+=(--only "$BENCH_PARTS")
step "measure" measure
say "written to $PAGE"
summary
