#!/usr/bin/env bash
# Counts stilted phrases in the Rust comments of shared/src, app/src, server/src and server/*/src. Prints the number of comment lines
# (lines that start with //) and the occurrences of each phrase per 1,000 of them. "returns" is for comparison: the plain word for "gives".
# Runs in the current folder, so that checkouts can be compared: cd CHECKOUT && bash scripts/phrases.sh
set -euo pipefail

# A checkout may have no crates in server.
shopt -s nullglob
FOLDERS=(shared/src app/src server/src server/*/src)
PHRASES=("gives" "told|says" "is there" "so many" "somebody|nobody" "returns")

comments() { # FOLDER…
    find "$@" -name '*.rs' -exec grep -hE '^[[:space:]]*//' {} + || true
}

# Whole words, in either case; a phrase may occur several times in a line.
occurrences() { # PHRASE
    { grep -oiwE "$1" || true; } | wc -l
}

row() { # NAME FOLDER…
    local name="$1" text lines phrase
    shift
    text="$(comments "$@")"
    lines="$(printf '%s\n' "$text" | wc -l)"
    printf '%-21s %9d' "$name" "$lines"
    for phrase in "${PHRASES[@]}"; do
        printf '%s\n' "$text" | occurrences "$phrase" |
            awk -v lines="$lines" -v width="$((${#phrase} + 2))" '{ printf "%*.1f", (width < 8 ? 8 : width), 1000 * $1 / lines }'
    done
    printf '\n'
}

for folder in "${FOLDERS[@]}"; do
    [ -d "$folder" ] || {
        echo "phrases.sh: $folder is missing; run this in the root of a checkout" >&2
        exit 1
    }
done
printf '%-21s %9s' "" "comments"
for phrase in "${PHRASES[@]}"; do
    width=$((${#phrase} + 2))
    printf '%*s' "$((width < 8 ? 8 : width))" "${phrase//|//}"
done
printf '\n'
for folder in "${FOLDERS[@]}"; do row "$folder" "$folder"; done
row "all" "${FOLDERS[@]}"
