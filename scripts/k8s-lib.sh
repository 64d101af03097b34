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

# The cluster is the one that KUBECONFIG names, and none other: what a kubectl happens to point at may be somebody's.
need_cluster() {
    has kubectl || die "kubectl is missing: https://kubernetes.io/docs/tasks/tools"
    [ -n "${KUBECONFIG:-}" ] || die "KUBECONFIG is not set. It names the cluster that this may change, for example:" \
        "    KUBECONFIG=~/.kube/config make ${0##*/k8s-}" "with kind, minikube or any other as the current context."
    kubectl version >/dev/null 2>&1 || die "No Kubernetes answers where KUBECONFIG=$KUBECONFIG leads."
    say "cluster: $(kubectl config current-context), $(kubectl config view --minify --output 'jsonpath={.clusters[0].cluster.server}')"
}

# Whether the cluster knows this version of the API.
knows() { kubectl api-versions | grep -qx "$1"; }

# The first tool that can build an image here; a program without its service can't.
container_tool() {
    local tool
    for tool in docker podman; do
        if has "$tool" && "$tool" info >/dev/null 2>&1; then
            echo "$tool"
            return
        fi
    done
    return 1
}
