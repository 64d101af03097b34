#!/usr/bin/env bash
# Builds the files for browsers into target/site: the app as WebAssembly, its JavaScript, the preview as separate modules, the
# styles, the public files, and a brotli file of each. Doesn't touch unchanged files, so that they cause no new link of the server.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
. "$ROOT/scripts/wasm.sh"

STAGE=""
cleanup() {
    [ -z "$STAGE" ] || rm -rf "$STAGE" "$STAGE.parts"
}
trap 'on_exit; cleanup' EXIT

compile() {
    # wasm-split needs the relocations.
    "${WASM_CARGO[@]}" rustc --locked -p app --lib --no-default-features --features hydrate \
        --target "$WASM_TARGET" --profile wasm-release --target-dir "$WASM_TARGET_DIR" -- -C link-args=--emit-relocs
}

# Two builds of the preview, with and without SIMD; its worker chooses what the browser supports.
compile_previews() {
    local build features
    for build in plain simd128; do
        features="${CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS:-}"
        [ "$build" = plain ] || features="$features -C target-feature=+$build"
        CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS="$features" "${WASM_CARGO[@]}" rustc --locked -p shared --lib \
            --crate-type cdylib --features preview --target "$WASM_TARGET" --profile wasm-preview \
            --target-dir "$WASM_TARGET_DIR/preview-$build"
    done
}

# The page beside the previews: the last part of each is one thread's work.
compile_all() {
    local previews
    compile_previews &
    previews=$!
    compile || { wait "$previews"; return 1; }
    wait "$previews"
}

# A checksum of all that the site is made from and with, and of its files' names, sizes and times.
sources() {
    local build
    {
        cat "$WASM_TARGET_DIR/$WASM_TARGET/wasm-release/app.wasm" "$WASM_TOOLS" scripts/site.sh
        for build in plain simd128; do cat "$WASM_TARGET_DIR/preview-$build/$WASM_TARGET/wasm-preview/shared.wasm"; done
        cat app/src/later.js shared/src/preview/worker.js style/*.css
        if [ -d style/public ]; then (cd style/public && find . -type f -exec cksum {} + | LC_ALL=C sort); fi
        echo "$WASM_OPT" "$(command -v brotli)" "$(command -v node)"
        if [ -d "$SITE" ]; then LC_ALL=C ls -lR "$SITE"; fi
    } | cksum
}

assemble() {
    local build
    assemble_page
    for build in plain simd128; do
        "$WASM_TOOLS" bindgen "$WASM_TARGET_DIR/preview-$build/$WASM_TARGET/wasm-preview/shared.wasm" \
            "$STAGE/pkg" "preview-$build"
        mv "$STAGE/pkg/preview-${build}_bg.wasm" "$STAGE/pkg/preview-$build.wasm"
    done
    cp shared/src/preview/worker.js "$STAGE/pkg/preview-worker.js"
    cat style/*.css >"$STAGE/pkg/evenlight.css"
    if [ -d style/public ]; then cp -R style/public/. "$STAGE/"; fi
    publish
}

# The page's main module, and those of its parts that are loaded later (app/src/later.rs).
assemble_page() {
    local parts="$STAGE.parts" names=() part
    mkdir -p "$parts"
    "$WASM_TOOLS" split "$WASM_TARGET_DIR/$WASM_TARGET/wasm-release/app.wasm" "$parts" evenlight
    if [ -n "$WASM_OPT" ]; then names=(--names); fi
    "$WASM_TOOLS" bindgen "$parts/evenlight.wasm" "$STAGE/pkg" evenlight --lld-exports ${names[@]+"${names[@]}"}
    # Leptos requests this name, because LEPTOS_OUTPUT_NAME is set in .cargo/config.toml.
    mv "$STAGE/pkg/evenlight_bg.wasm" "$parts/evenlight.wasm"
    for part in "$parts"/*.wasm; do
        if [ -n "$WASM_OPT" ]; then
            shrink "$part" "$STAGE/pkg/$(basename "$part")"
        else
            mv "$part" "$STAGE/pkg/"
        fi
    done
    join_scripts "$STAGE/pkg" "$parts"
    rm -rf "$parts"
}

# Joins wasm-bindgen's script, wasm-split's, which loads the parts, and ours. The script requests parts by names with hashes, so a page
# opened before an update can't load parts of the new version.
join_scripts() { # PKG PARTS
    local script="$2/evenlight.js" file name
    {
        sed -e '/^import \* as import[0-9]* from ".\/__wasm_split.js"/d' -e 's/".\/__wasm_split.js": import[0-9]*/".\/__wasm_split.js": LOADERS/' "$1/evenlight.js"
        printf 'const LOADERS = {};\n'
        sed -e '/^import { initSync } from/d' -e 's/^export const \(__wasm_split_load_[a-z]*\) =/LOADERS.\1 =/' "$2/__wasm_split.js"
        files_of_parts "$2/__wasm_split.js"
        cat app/src/later.js
    } >"$script"
    for file in "$1"/split_*.wasm "$1"/chunk_*.wasm; do
        name="$(basename "$file" .wasm)"
        sed "s/\"\.\/$name\.wasm\"/\".\/$name.$(digits "$file").wasm\"/g" "$script" >"$script.new"
        mv "$script.new" "$script"
    done
    mv "$script" "$1/evenlight.js"
}

# From wasm-split's script, where a comment before a shared file lists the parts that need it: const FILES = {"image": ["./chunk_4.wasm", …], …};
files_of_parts() { # SCRIPT
    awk '
        /^\/\* .* \*\/$/ { users = substr($0, 4, length($0) - 6) }
        match($0, /"\.\/[a-z_0-9]+\.wasm"/) {
            file = substr($0, RSTART, RLENGTH)
            if (file ~ /split_/) { users = substr(file, 10, length(file) - 15) }
            count = split(users, list, ", ")
            for (i = 1; i <= count; i++) {
                if (!(list[i] in files)) { parts[++known] = list[i] }
                files[list[i]] = files[list[i]] file ", "
            }
        }
        END {
            printf "const FILES = {"
            for (i = 1; i <= known; i++) { printf "\"%s\": [%s], ", parts[i], files[parts[i]] }
            print "};"
        }' "$1"
}

# The hash digits by which the server identifies a file (server/web/src/pages/site.rs).
digits() { # FILE
    if has sha256sum; then sha256sum "$1"; else shasum -a 256 "$1"; fi | cut -c 1-16
}

# Updates target/site from the staged files.
publish() {
    local file
    mkdir -p "$SITE"
    while IFS= read -r file; do
        if ! cmp -s "$STAGE/$file" "$SITE/$file"; then
            mkdir -p "$(dirname "$SITE/$file")"
            cp "$STAGE/$file" "$SITE/$file"
            rm -f "$SITE/$file.br"
        fi
        if compressible "$file" && ! [ -f "$SITE/$file.br" ]; then compress "$SITE/$file"; fi
        if compressible "$file"; then size "$file"; fi
    done < <(files_of "$STAGE")
    while IFS= read -r file; do
        [ -e "$STAGE/${file%.br}" ] || rm "$SITE/$file"
    done < <(files_of "$SITE")
}

files_of() { (cd "$1" && find . -type f | sed 's|^\./||' | LC_ALL=C sort); }

compressible() {
    case "$1" in
    *.wasm | *.js | *.css | *.svg | *.html | *.txt | *.json | *.webmanifest) return 0 ;;
    *) return 1 ;;
    esac
}

# With the brotli program or Node.js; without either, the page is sent uncompressed.
compress() {
    if has brotli; then
        brotli --best --keep --force "$1"
    elif has node; then
        node -e 'const fs = require("fs"), [, file] = process.argv;
            fs.writeFileSync(file + ".br", require("zlib").brotliCompressSync(fs.readFileSync(file)))' "$1"
    else
        say "neither brotli nor Node.js is installed: $(basename "$1") will be sent uncompressed"
    fi
}

size() {
    local raw br=-
    raw="$(wc -c <"$SITE/$1" | tr -d ' ')"
    if [ -f "$SITE/$1.br" ]; then br="$(wc -c <"$SITE/$1.br" | tr -d ' ')"; fi
    say "$(printf '%-28s %9s bytes, %9s with brotli' "$1" "$raw" "$br")"
}

need_rust
choose_wasm_toolchain
ensure_wasm_tools
ensure_wasm_opt
step "compile the page and its preview to WebAssembly" compile_all
if [ "$(cat "$SITE.sources" 2>/dev/null)" != "$(sources)" ]; then
    STAGE="$(mktemp -d "$CACHE/site.XXXXXX")"
    step "assemble the site in target/site" assemble
    sources >"$SITE.sources"
fi
