#!/usr/bin/env bash
# Builds every overlay of k8s/ and checks it: against Kubernetes' schemas (strict), and with k8s/check.py for what a schema can't express.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
. "$ROOT/scripts/k8s-lib.sh"

# The overlays whose API versions are in the present schemas. `test-1.20` is only built; its cluster checks it.
CHECKED=(minikube s3 test)

BUILT=""
trap 'on_exit; [ -z "$BUILT" ] || rm -rf "$BUILT"' EXIT

build_overlays() {
    local overlay
    for overlay in k8s/overlays/*/; do
        overlay="$(basename "$overlay")"
        kustomize_build "k8s/overlays/$overlay" >"$BUILT/$overlay.yaml"
    done
    # The optional component, in its overlay.
    mkdir "$BUILT/scaled"
    printf '%s\n' 'apiVersion: kustomize.config.k8s.io/v1beta1' 'kind: Kustomization' 'resources: [../k8s/overlays/s3]' \
        'components: [../k8s/components/scale-on-cpu]' >"$BUILT/scaled/kustomization.yaml"
    cp -R k8s "$BUILT/k8s"
    kustomize_build "$BUILT/scaled" >"$BUILT/scaled.yaml"
}

validate() { # FILE…
    .venv/bin/python -m kubernetes_validate --strict --quiet --no-warn "$@"
}

schemas() {
    local overlay
    for overlay in "${CHECKED[@]}" scaled; do validate "$BUILT/$overlay.yaml" || die "The overlay $overlay isn't valid; see above."; done
    # Make sure that the check can fail.
    sed 's/automountServiceAccountToken/automountServiceAcountToken/' "$BUILT/s3.yaml" >"$BUILT/misspelt.yaml"
    if validate "$BUILT/misspelt.yaml" >/dev/null 2>&1; then die "The schema check accepted a misspelt field, so it checks nothing."; fi
}

meaning() {
    local overlay arguments=()
    for overlay in "${CHECKED[@]}"; do arguments+=("$overlay=$BUILT/$overlay.yaml"); done
    .venv/bin/python k8s/check.py "${arguments[@]}"
}

[ -x .venv/bin/python ] || die "The manifests' checks need the tests' Python: run make test once."
find_kustomize || die "Neither kubectl (1.21 or newer) nor kustomize is installed; one of them must build the overlays." \
    "Install one of them: https://kubernetes.io/docs/tasks/tools or https://kubectl.docs.kubernetes.io/installation/kustomize"
BUILT="$(mktemp -d "${TMPDIR:-/tmp}/evenlight-manifests.XXXXXX")"
step "build the overlays" build_overlays
step "strict schema check" schemas
step "checks beyond the schemas" meaning
