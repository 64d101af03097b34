# shellcheck shell=bash disable=SC2034
# Shared by the Kubernetes scripts. Sourced after lib.sh.

KUSTOMIZE=()

# Sets KUSTOMIZE to the command that builds an overlay: kubectl's kustomize (4.1 or newer, for components and labels), or kustomize.
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

# Requires KUBECONFIG: kubectl's default context may belong to another cluster.
need_cluster() {
    has kubectl || die "kubectl is missing: https://kubernetes.io/docs/tasks/tools"
    [ -n "${KUBECONFIG:-}" ] || die "KUBECONFIG is not set. It selects the cluster that this script changes, for example:" \
        "    KUBECONFIG=~/.kube/config make ${0##*/k8s-}" "with kind, minikube or any other as the current context."
    kubectl version >/dev/null 2>&1 || die "The cluster in KUBECONFIG=$KUBECONFIG doesn't answer."
    say "cluster: $(kubectl config current-context), $(kubectl config view --minify --output 'jsonpath={.clusters[0].cluster.server}')"
}

# Succeeds if the cluster has this API version.
knows() { kubectl api-versions | grep -qx "$1"; }

# Prints the first tool that can build an image: the program with a running service.
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
