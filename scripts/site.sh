#!/usr/bin/env bash
# Builds what browsers get into target/site: the app as WebAssembly, its JavaScript, the preview as modules of its own, the
# style, the public files, and a brotli beside each. Files whose content stays the same aren't touched, so that nothing is linked anew because of them.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
. "$ROOT/scripts/wasm.sh"

STAGE=""
cleanup() {
    [ -z "$STAGE" ] || rm -rf "$STAGE"
}
trap 'on_exit; cleanup' EXIT

compile() {
    "${WASM_CARGO[@]}" build --locked -p app --lib --no-default-features --features hydrate \
        --target "$WASM_TARGET" --profile wasm-release --target-dir "$WASM_TARGET_DIR"
}

# The preview computes with vectors where the browser has them; its worker chooses.
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

assemble() {
    local build names=(--remove-name-section)
    if [ -n "$WASM_OPT" ]; then names=(); fi
    "$WASM_BINDGEN" --target web --no-typescript ${names[@]+"${names[@]}"} --remove-producers-section \
        --out-name evenlight --out-dir "$STAGE/pkg" "$WASM_TARGET_DIR/$WASM_TARGET/wasm-release/app.wasm"
    # Leptos asks for this name, as LEPTOS_OUTPUT_NAME is set in .cargo/config.toml.
    mv "$STAGE/pkg/evenlight_bg.wasm" "$STAGE/pkg/evenlight.wasm"
    if [ -n "$WASM_OPT" ]; then
        shrink "$STAGE/pkg/evenlight.wasm" "$STAGE/smaller.wasm"
        mv "$STAGE/smaller.wasm" "$STAGE/pkg/evenlight.wasm"
    fi
    for build in plain simd128; do
        "$WASM_BINDGEN" --target web --no-typescript --remove-name-section --remove-producers-section \
            --out-name "preview-$build" --out-dir "$STAGE/pkg" \
            "$WASM_TARGET_DIR/preview-$build/$WASM_TARGET/wasm-preview/shared.wasm"
        mv "$STAGE/pkg/preview-${build}_bg.wasm" "$STAGE/pkg/preview-$build.wasm"
    done
    cp shared/src/preview/worker.js "$STAGE/pkg/preview-worker.js"
    cat style/*.css >"$STAGE/pkg/evenlight.css"
    if [ -d style/public ]; then cp -R style/public/. "$STAGE/"; fi
    publish
}

# Brings target/site to what is staged.
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

# The brotli program, or Node's, whichever is there; without either the page is merely sent larger.
compress() {
    if has brotli; then
        brotli --best --keep --force "$1"
    elif has node; then
        node -e 'const fs = require("fs"), [, file] = process.argv;
            fs.writeFileSync(file + ".br", require("zlib").brotliCompressSync(fs.readFileSync(file)))' "$1"
    else
        say "neither brotli nor node is here: $(basename "$1") will be sent uncompressed"
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
ensure_wasm_bindgen
ensure_wasm_opt
step "compile the page to WebAssembly" compile
STAGE="$(mktemp -d "$CACHE/site.XXXXXX")"
step "compile the preview to WebAssembly, with vectors and without" compile_previews
step "assemble the site in target/site" assemble
