#!/usr/bin/env bash
# Fuzzes each decoder, and the kernels against the scalar one, for FUZZ_SECONDS each (600). Findings are kept in fuzz/found. Inputs that
# reach new code are minimized and merged into fuzz/corpus, which `make test` replays. ARGS= selects targets: make fuzz ARGS="png tiff".
set -euo pipefail
. "$(dirname "$0")/lib.sh"

SECONDS_EACH="${FUZZ_SECONDS:-600}"
TARGETS=("$@")
[ $# -gt 0 ] || TARGETS=(png jpeg tiff webp kernels)
# Larger inputs rarely reach more code.
MOST_BYTES=16384
MOST_KEPT_BYTES=4096
# libFuzzer names its inputs by their SHA-1.
HASH="????????????????????????????????????????"
# A few times the decoders' memory limits in fuzz/src/lib.rs.
MOST_MEMORY_MIB=512
FUZZ_TARGET_DIR="${EVENLIGHT_FUZZ_TARGET_DIR:-$ROOT/target/fuzz}"
HOST="$(rustc -vV | sed -n 's/^host: //p')"

# libFuzzer's instrumentation, by options of the stable compiler. No sanitizer, because only the kernels have unsafe code.
instrumented() {
    RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1" \
        cargo build --locked --release --manifest-path fuzz/Cargo.toml --target "$HOST" --target-dir "$FUZZ_TARGET_DIR"
}

fuzz() { # TARGET
    local target="$1" program="$FUZZ_TARGET_DIR/$HOST/release/$1" grown="$FUZZ_TARGET_DIR/grown/$1"
    mkdir -p "$grown" "fuzz/found/$target" "fuzz/corpus/$target"
    "$program" "$grown" "fuzz/corpus/$target" -max_total_time="$SECONDS_EACH" -max_len="$MOST_BYTES" -timeout=20 \
        -rss_limit_mb="$MOST_MEMORY_MIB" -artifact_prefix="fuzz/found/$target/" -print_final_stats=1 -verbosity=0 -close_fd_mask=1
    keep "$target" "$program" "$grown"
}

# Replaces the generated inputs of the corpus by a minimal set that reaches the same code. Keeps seeds, which have descriptive names.
keep() { # TARGET PROGRAM GROWN
    local minimal
    minimal="$(mktemp -d)"
    "$2" -set_cover_merge=1 -use_counters=0 -verbosity=0 -max_len="$MOST_KEPT_BYTES" -rss_limit_mb="$MOST_MEMORY_MIB" \
        "$minimal" "fuzz/corpus/$1" "$3"
    find "fuzz/corpus/$1" -type f -name "$HASH" -delete
    find "$minimal" -type f -name "$HASH" -exec mv {} "fuzz/corpus/$1/" \;
    rm -rf "$minimal"
    say "$1: $(find "fuzz/corpus/$1" -type f | wc -l) inputs in the corpus"
}

need_rust
has c++ || die "libFuzzer is C++: install a C++ compiler (Debian: g++)."
step "build the fuzz targets" instrumented
for target in "${TARGETS[@]}"; do
    check "fuzz $target for $SECONDS_EACH s" fuzz "$target"
done
summary
[ "$FAILED_STEPS" -eq 0 ] || die "The fuzzer found failing inputs: see fuzz/found."
