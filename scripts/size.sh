#!/usr/bin/env bash
# What a first visit to the page costs: fails above the budget. Sizes are those of the brotli files in target/site (make build).
set -euo pipefail
. "$(dirname "$0")/lib.sh"

# In bytes: the page's module, the preview's, all that the gallery loads at first, its HTML aside, and all that any page loads
# beside it.
MODULE=$((250 * 1024))
PREVIEW=$((600 * 1024))
FIRST=$((280 * 1024))
LATER=$((100 * 1024))
# What the page loads at first; theme.js and the style before the first paint.
FILES=(theme.js stream-worker.js favicon.svg pkg/evenlight.css pkg/evenlight.js pkg/evenlight.wasm)

bytes() { # FILE
    [ -f "$SITE/$1.br" ] || die "There is no $SITE/$1.br. Run make build first (with brotli or Node.js here)."
    wc -c <"$SITE/$1.br" | tr -d ' '
}

over=0
within() { # WHAT BYTES BUDGET
    say "$(printf '%-24s %9s of at most %9s bytes' "$1" "$2" "$3")"
    if [ "$2" -gt "$3" ]; then over=1; fi
}

# Which files a part of the page is: as the page's script tells, without their hashes.
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
[ "$over" -eq 0 ] || die "The page has become larger than its budget (scripts/size.sh). docs/development.md tells how to find what it is made of."
