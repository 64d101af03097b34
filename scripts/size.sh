#!/usr/bin/env bash
# Checks the bytes of a first visit to the page against the budget, and that the page doesn't contain Rust's formatting of floating-point
# numbers. Sizes are those of the brotli files in target/site (make build).
set -euo pipefail
. "$(dirname "$0")/lib.sh"

# In bytes: the page's module, the preview's, everything that the gallery loads at first except its HTML, and everything that another
# page loads in addition.
MODULE=$((250 * 1024))
PREVIEW=$((600 * 1024))
FIRST=$((280 * 1024))
LATER=$((100 * 1024))
# The files that the page loads at first; theme.js and the styles before the first paint.
FILES=(theme.js stream-worker.js favicon.svg pkg/evenlight.css pkg/evenlight.js pkg/evenlight.wasm)

bytes() { # FILE
    [ -f "$SITE/$1.br" ] || die "$SITE/$1.br is missing. Run make build first, with brotli or Node.js installed."
    wc -c <"$SITE/$1.br" | tr -d ' '
}

over=0
within() { # WHAT BYTES BUDGET
    say "$(printf '%-24s %9s of at most %9s bytes' "$1" "$2" "$3")"
    if [ "$2" -gt "$3" ]; then over=1; fi
}

# The files of a part of the page, from the page's script, without their hashes.
files_of_part() { # PART
    sed -n 's/^const FILES = .*"'"$1"'": \[\([^]]*\)\].*/\1/p' "$SITE/pkg/evenlight.js" | tr ',' '\n' | sed -n 's/.*"\.\/\([a-z_0-9]*\)\.[0-9a-f]*\.wasm".*/\1.wasm/p'
}

within "the page's module" "$(bytes pkg/evenlight.wasm)" "$MODULE"
for module in "$SITE"/pkg/preview-*.wasm.br; do
    if [ -f "$module" ]; then
        name="${module#"$SITE"/}"
        within "${name%.br}" "$(bytes "${name%.br}")" "$PREVIEW"
    fi
done
sum=0
for file in "${FILES[@]}"; do sum=$((sum + $(bytes "$file"))); done
within "all of a first visit" "$sum" "$FIRST"
for part in image cluster preview; do
    sum=0
    for file in $(files_of_part "$part"); do sum=$((sum + $(bytes "pkg/$file"))); done
    within "the $part's part" "$sum" "$LATER"
done
# The first of the powers of ten by which Rust's standard library formats floating-point numbers.
GRISU=df451a3d03cf1ae6
for module in "$SITE"/pkg/{evenlight,split_*,chunk_*}.wasm; do
    if [ -f "$module" ] && od -An -v -tx1 "$module" | tr -d ' \n' | grep -c "$GRISU" >/dev/null; then
        say "$(basename "$module") contains Rust's formatting of floating-point numbers: use shared::number::Decimal, and not f64::clamp"
        over=1
    fi
done
[ "$over" -eq 0 ] || die "The page has become larger than its budget (scripts/size.sh). docs/development.md describes how to find the parts of a module."
