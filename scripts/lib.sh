# shellcheck shell=bash disable=SC2034
# Shared by all scripts: paths, timed steps, readable error messages. Sourced, never run.
# Compatible with bash 3.2, the version of macOS.

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
cd "$ROOT"

# Tools and build results that are shared between clones.
CACHE="${XDG_CACHE_HOME:-${HOME:?is not set, and no XDG_CACHE_HOME either}/.cache}/evenlight"
TOOLS="$CACHE/tools"
# Cargo's results for this machine and for WebAssembly: separate, because a change of profile rebuilds everything.
TARGET_DIR="${CARGO_TARGET_DIR:-$ROOT/target}"
WASM_TARGET_DIR="${EVENLIGHT_WASM_TARGET_DIR:-$ROOT/target-wasm}"
# The site that the release binary embeds. Always here, even with another CARGO_TARGET_DIR: the server's sources name this folder.
SITE="$ROOT/target/site"
BINARY="${EVENLIGHT_BINARY:-$ROOT/target/release/evenlight}"

STEP_NAMES=()
STEP_RESULTS=()
STEP_NOW=""

say() { printf '    %s\n' "$*"; }

# die SENTENCE…: prints one sentence per line on standard error and exits.
die() {
    printf '\n' >&2
    printf '    %s\n' "$@" >&2
    printf '\n' >&2
    exit 1
}

has() { command -v "$1" >/dev/null 2>&1; }

duration() { # SECONDS
    if [ "$1" -lt 60 ]; then printf '%d s' "$1"; else printf '%d min %02d s' $(($1 / 60)) $(($1 % 60)); fi
}

record() { # TITLE RESULT
    STEP_NAMES+=("$1")
    STEP_RESULTS+=("$2")
}

# step TITLE COMMAND…: runs the command and prints its duration; a failure ends the script.
step() {
    local title="$1" began=$SECONDS
    shift
    STEP_NOW="$title"
    printf '==> %s\n' "$title"
    "$@"
    printf '==> %s … %s\n' "$title" "$(duration $((SECONDS - began)))"
    record "$title" "$(duration $((SECONDS - began)))"
    STEP_NOW=""
}

FAILED_STEPS=0

# check TITLE COMMAND…: like step, but after a failure the script continues, to report all failures at once.
check() {
    local title="$1" began=$SECONDS code=0
    shift
    printf '==> %s\n' "$title"
    # Not `if ( … )`: bash ignores `set -e` inside a condition.
    set +e
    (
        set -e
        trap - EXIT
        "$@"
    )
    code=$?
    set -e
    if [ "$code" -eq 0 ]; then
        printf '==> %s … %s\n' "$title" "$(duration $((SECONDS - began)))"
        record "$title" "$(duration $((SECONDS - began)))"
    else
        FAILED_STEPS=$((FAILED_STEPS + 1))
        printf '==> %s … FAILED after %s\n' "$title" "$(duration $((SECONDS - began)))"
        record "$title" "FAILED ($(duration $((SECONDS - began))))"
    fi
}

# Prints a table of all steps with their durations.
summary() {
    local i
    printf '\n==> in all %s\n' "$(duration "$SECONDS")"
    for ((i = 0; i < ${#STEP_NAMES[@]}; i++)); do
        printf '    %-60s %s\n' "${STEP_NAMES[$i]}" "${STEP_RESULTS[$i]}"
    done
}

on_exit() {
    local code=$?
    if [ "$code" -ne 0 ] && [ -n "$STEP_NOW" ]; then
        printf '==> stopped at: %s (exit status %d)\n' "$STEP_NOW" "$code" >&2
    fi
}
trap on_exit EXIT

deb_installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

# apt_install WHY PACKAGE…: installs the missing ones of these Debian packages, or prints what to install.
apt_install() {
    local why="$1" missing=() package root=()
    shift
    if ! has dpkg-query || ! has apt-get; then
        die "$why needs these packages (Debian names): $*" \
            "This machine has no apt-get: install them with its own package manager, then run this again."
    fi
    for package in "$@"; do
        deb_installed "$package" || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    if [ "$(id -u)" -ne 0 ]; then
        if has sudo && sudo -n true 2>/dev/null; then
            root=(sudo -n)
        else
            die "$why needs Debian packages that are missing, and this user may not install them. Please run:" \
                "    sudo apt-get install --no-install-recommends ${missing[*]}"
        fi
    fi
    say "installing ${missing[*]}"
    local install=(env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}")
    if ! ${root[@]+"${root[@]}"} "${install[@]}" </dev/null >"$CACHE/apt.log" 2>&1; then
        # The package lists may be outdated, or missing in a container.
        ${root[@]+"${root[@]}"} apt-get update -qq </dev/null >>"$CACHE/apt.log" 2>&1 || true
        ${root[@]+"${root[@]}"} "${install[@]}" </dev/null >>"$CACHE/apt.log" 2>&1 ||
            die "$why needs Debian packages that apt-get could not install: ${missing[*]}" \
                "The end of its output (all of it is in $CACHE/apt.log): $(tail -n 2 "$CACHE/apt.log" | tr '\n' ' ')"
    fi
}

need_rust() {
    has cargo || die "Rust is missing. Install it from https://rustup.rs (or your system's packages, 1.94 or newer), then run this again."
    has cc || apt_install "Building" gcc libc6-dev
}

mkdir -p "$CACHE"
