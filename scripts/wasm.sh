# shellcheck shell=bash disable=SC2034
# Selects the WebAssembly toolchain. Sourced after lib.sh. Sets WASM_CARGO (the command) and exports its variables.
#
# EVENLIGHT_WASM_TOOLCHAIN=rustup|debian selects one. Otherwise the order is: the active toolchain, after rustup target add if necessary, then
# Debian's rustc-web, for networks where rustup can't reach its server. Debian's compiler builds only the page.

WASM_TARGET=wasm32-unknown-unknown
WASM_CARGO=()

active_toolchain_has_wasm() {
    ls "$(rustc --print sysroot)/lib/rustlib/$WASM_TARGET/lib/"libstd-*.rlib >/dev/null 2>&1
}

use_active_toolchain() {
    active_toolchain_has_wasm || {
        has rustup && say "adding $WASM_TARGET to rustup" && rustup target add "$WASM_TARGET" && active_toolchain_has_wasm
    } || return 1
    WASM_CARGO=(cargo)
}

# Debian has the compiler and the sources of std, but no compiled std for wasm32-unknown-unknown. It is built once, in about two minutes,
# into a sysroot in the cache, which needs no write access to /usr.
use_debian_toolchain() {
    local rustc=/usr/bin/rustc cargo=/usr/bin/cargo version sysroot linker
    apt_install "Compiling the page without rustup's $WASM_TARGET" rustc-web cargo-web rust-web-src lld-22
    version="$("$rustc" --version | cut -d ' ' -f 2)"
    sysroot="$CACHE/debian-wasm-$version"
    linker="$(command -v wasm-ld-22)"
    export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER="$linker"
    if ! [ -d "$sysroot" ]; then
        step "build the standard library for WebAssembly with Debian's rustc $version" build_debian_std "$rustc" "$cargo" "$sysroot"
    fi
    export RUSTC="$rustc"
    export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS="--sysroot=$sysroot"
    WASM_CARGO=("$cargo")
}

build_debian_std() { # RUSTC CARGO SYSROOT
    local work lib
    work="$(mktemp -d "$CACHE/debian-std.XXXXXX")"
    lib="$work/sysroot/lib/rustlib/$WASM_TARGET/lib"
    mkdir -p "$work/src" "$lib"
    printf '[package]\nname = "empty"\nversion = "0.0.0"\nedition = "2021"\n[workspace]\n' >"$work/Cargo.toml"
    : >"$work/src/lib.rs"
    (
        cd "$work"
        # `-Z build-std` is a nightly option; RUSTC_BOOTSTRAP enables it in Debian's stable compiler for this build.
        RUSTC="$1" RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR="$work/target" \
            "$2" build --release -Z build-std=std,panic_abort --target "$WASM_TARGET"
    ) || die "Debian's rustc could not build the standard library (see above)."
    find "$work/target/$WASM_TARGET/release/deps" -name 'lib*.rlib' ! -name 'libempty-*' -exec cp {} "$lib/" \;
    mv "$work/sysroot" "$3"
    rm -rf "$work"
}

choose_wasm_toolchain() {
    case "${EVENLIGHT_WASM_TOOLCHAIN:-auto}" in
    rustup) use_active_toolchain || die "rustup could not add $WASM_TARGET." ;;
    debian) use_debian_toolchain ;;
    auto)
        if use_active_toolchain; then return; fi
        has apt-get || die "The compiler has no $WASM_TARGET, and rustup could not add it. Run: rustup target add $WASM_TARGET"
        say "rustup can't add $WASM_TARGET: taking Debian's rustc for the page"
        use_debian_toolchain
        ;;
    *) die "EVENLIGHT_WASM_TOOLCHAIN: expected rustup or debian, got \"$EVENLIGHT_WASM_TOOLCHAIN\"." ;;
    esac
}

# The version in Cargo.lock of a crate of the workspace, or of another lock file.
locked_version() { # CRATE [LOCK]
    awk -v name="\"$1\"" '$1 == "name" && $3 == name { getline; gsub(/"/, "", $3); print $3; exit }' "${2:-Cargo.lock}"
}

# wasm-bindgen's and wasm-split's programs as one small tool (scripts/wasm-tools), built once per version into the cache.
ensure_wasm_tools() { # prints nothing; sets WASM_TOOLS
    local crate tool
    crate="$(locked_version wasm-bindgen)"
    tool="$(locked_version wasm-bindgen-cli-support scripts/wasm-tools/Cargo.lock)"
    if [ "$crate" != "$tool" ]; then
        die "wasm-bindgen is $crate in Cargo.lock and $tool in scripts/wasm-tools/Cargo.lock; both must be the same." \
            "Set wasm-bindgen-cli-support in scripts/wasm-tools/Cargo.toml to $crate, then run there: cargo update"
    fi
    WASM_TOOLS="$TOOLS/wasm-tools-$(cat scripts/wasm-tools/Cargo.lock scripts/wasm-tools/src/main.rs | cksum | cut -d ' ' -f 1)"
    if ! [ -x "$WASM_TOOLS" ]; then
        step "build wasm-bindgen $crate and wasm-split (once, a minute)" build_wasm_tools
    fi
}

build_wasm_tools() {
    local build="$CACHE/tools-build"
    (cd scripts/wasm-tools && cargo build --locked --release --target-dir "$build") </dev/null
    mkdir -p "$TOOLS"
    mv "$build/release/wasm-tools" "$WASM_TOOLS"
    rm -rf "$build"
}

# wasm-opt runs on Node.js and comes from npm, in the version in scripts/wasm-opt. Without it the page is larger.
ensure_wasm_opt() { # sets WASM_OPT; leaves it empty, with a message, if wasm-opt isn't available
    local version home
    version="$(sed -n 's/.*"binaryen": "\(.*\)".*/\1/p' scripts/wasm-opt/package.json)"
    home="$TOOLS/wasm-opt-$version"
    WASM_OPT=""
    if ! has node || ! has npm; then
        say "wasm-opt needs Node.js and npm, which are not both installed: the page will be larger"
        return
    fi
    if ! [ -x "$home/node_modules/.bin/wasm-opt" ]; then
        step "install wasm-opt $version (once)" install_wasm_opt "$home"
    fi
    WASM_OPT="$home/node_modules/.bin/wasm-opt"
    # An old Node.js may not run it.
    if ! "$WASM_OPT" --version >/dev/null 2>&1; then
        WASM_OPT=""
        say "wasm-opt doesn't run with Node.js $(node --version): the page will be larger"
    fi
}

install_wasm_opt() { # HOME
    mkdir -p "$1"
    cp scripts/wasm-opt/package.json scripts/wasm-opt/package-lock.json "$1"
    if ! (cd "$1" && npm ci --no-audit --no-fund --loglevel=error </dev/null); then
        rm -rf "$1"
        say "npm could not install wasm-opt"
    fi
}

# The features that the compiler uses. By default wasm-opt would use features that browsers don't have yet.
WASM_FEATURES=(--enable-bulk-memory --enable-nontrapping-float-to-int --enable-sign-ext --enable-mutable-globals
    --enable-reference-types --enable-multivalue)

# Shrinks a module, which must still have its names, for its size after brotli. Inlining and merging functions would reduce its bytes but
# not those after brotli; sorting functions by name puts similar code side by side.
shrink() { # FROM TO
    "$WASM_OPT" "${WASM_FEATURES[@]}" -Oz --skip-pass=inlining-optimizing --skip-pass=merge-similar-functions \
        --reorder-functions-by-name --strip-debug --strip-producers --strip-target-features -o "$2" "$1"
}
