# shellcheck shell=bash disable=SC2034
# What the Kubernetes scripts share. Sourced after lib.sh.

KUSTOMIZE=()

# Sets KUSTOMIZE to what builds an overlay: kubectl's own kustomize (4.1 or newer: it knows components and labels), or kustomize itself.
find_kustomize() {
    local trial
    trial="$(mktemp -d)"
    printf '%s\n' 'configMapGenerator: [{name: trial}]' 'labels: [{pairs: {trial: trial}}]' >"$trial/kustomization.yaml"
    KUSTOMIZE=()
    if has kubectl && kubectl kustomize "$trial" >/dev/null 2>&1; then
        KUSTOMIZE=(kubectl kustomize)
    elif has kustomize && kustomize build "$trial" >/dev/null 2>&1; then
        KUSTOMIZE=(kustomize build)
    fi
    rm -r "$trial"
    [ ${#KUSTOMIZE[@]} -gt 0 ]
}

kustomize_build() { "${KUSTOMIZE[@]}" "$1"; }
