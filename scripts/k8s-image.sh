#!/usr/bin/env bash
# Builds the image evenlight:TAG (dev, or the first argument) from k8s/Dockerfile with docker or podman, and loads it into the kind or
# minikube cluster in KUBECONFIG. Without docker and podman, or if EVENLIGHT_IMAGE_IMPORT names a command, it creates a root folder in
# target/k8s instead and calls COMMAND NAME:TAG FOLDER PROGRAM ARGUMENTS… for each image.
# The tag `test` also builds the other images of `make k8s-test`: ZooKeeper, PostgreSQL, a shell.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
. "$ROOT/scripts/k8s-lib.sh"

TAG="${1:-dev}"
FOLDERS="$ROOT/target/k8s"
# Other images of the tests: our name, and the image in a registry.
COMPANIONS=(zookeeper:zookeeper:3.9 postgres:postgres:17 tools:busybox:1.37)

by_container_tool() { # TOOL
    "$1" build --file k8s/Dockerfile --tag "evenlight:$TAG" .
    load "$1" "evenlight:$TAG"
    [ "$TAG" = test ] || return 0
    # Another tag of the same image, for the rolling update.
    "$1" tag "evenlight:$TAG" evenlight:test-2
    load "$1" evenlight:test-2
    local companion
    for companion in "${COMPANIONS[@]}"; do
        "$1" pull "${companion#*:}"
        "$1" tag "${companion#*:}" "evenlight-${companion%%:*}:test"
        load "$1" "evenlight-${companion%%:*}:test"
    done
}

# Local clusters don't see this machine's images.
load() { # TOOL IMAGE
    case "$(kubectl config current-context 2>/dev/null)" in
    kind-*) kind load docker-image --name "$(kubectl config current-context | sed 's/^kind-//')" "$2" ;;
    minikube) minikube image load "$2" ;;
    *) say "$2 is built; push it to the registry of a remote cluster" ;;
    esac
}

folder() { # NAME ARGUMENT…
    rm -rf "${FOLDERS:?}/$1"
    mkdir -p "$FOLDERS"
    k8s/images/assemble.sh "$1" "$FOLDERS/$1" "${@:2}"
    say "target/k8s/$1: $(du -sm "$FOLDERS/$1" | cut -f 1) MB"
}

import() { # NAME:TAG FOLDER PROGRAM ARGUMENT…
    # The command may have arguments of its own.
    # shellcheck disable=SC2086
    [ -z "${EVENLIGHT_IMAGE_IMPORT:-}" ] || $EVENLIGHT_IMAGE_IMPORT "$@" >/dev/null 2>&1 || die "importing $1 failed: $EVENLIGHT_IMAGE_IMPORT"
}

by_folder() {
    [ -n "${EVENLIGHT_SKIP_BUILD:-}" ] || scripts/build.sh
    folder evenlight "$BINARY"
    import "evenlight:$TAG" "$FOLDERS/evenlight" /usr/local/bin/evenlight serve
    [ "$TAG" = test ] || return 0
    apt_install "make k8s-test" zookeeper default-jre-headless postgresql busybox-static
    import evenlight:test-2 "$FOLDERS/evenlight" /usr/local/bin/evenlight serve
    folder zookeeper
    import evenlight-zookeeper:test "$FOLDERS/zookeeper" /usr/local/bin/zkServer.sh start-foreground
    folder postgres
    import evenlight-postgres:test "$FOLDERS/postgres" /docker-entrypoint.sh postgres
    folder tools
    import evenlight-tools:test "$FOLDERS/tools" /bin/sh
}

if [ -z "${EVENLIGHT_IMAGE_IMPORT:-}" ] && tool="$(container_tool)"; then
    step "image evenlight:$TAG, by $tool" by_container_tool "$tool"
else
    step "image evenlight:$TAG, as a folder" by_folder
fi
