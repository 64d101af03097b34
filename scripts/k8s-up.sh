#!/usr/bin/env bash
# Applies an overlay of k8s/ (minikube, or the first argument) to the cluster in KUBECONFIG, and waits until it is ready.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
. "$ROOT/scripts/k8s-lib.sh"

OVERLAY="${1:-minikube}"
NAMESPACE=evenlight

apply() {
    # The namespace first; other objects wait for one another.
    kubectl get namespace "$NAMESPACE" >/dev/null 2>&1 || kubectl create namespace "$NAMESPACE"
    secret
    kustomize_build "k8s/overlays/$OVERLAY" | kubectl apply --filename - >"$CACHE/k8s-apply.log" 2>&1 ||
        die "kubectl could not apply the overlay $OVERLAY:" "$(tail -n 20 "$CACHE/k8s-apply.log")"
}

# The catalog's password, generated once. For an existing database, create this Secret beforehand.
secret() {
    local password
    if kubectl --namespace "$NAMESPACE" get secret evenlight-catalog >/dev/null 2>&1; then return; fi
    [ "$OVERLAY" != s3 ] || die "The overlay s3 needs a Secret with the address of your PostgreSQL; k8s/overlays/s3/kustomization.yaml describes how to create it."
    password="$(head -c 24 /dev/urandom | base64 | tr -d '+/=')"
    # Not as arguments, which every process of this machine can read.
    kubectl --namespace "$NAMESPACE" create secret generic evenlight-catalog --from-env-file /dev/stdin <<END >/dev/null
password=$password
url=postgres://evenlight:$password@postgres/evenlight
END
}

await_rollout() { # KIND/NAME
    kubectl --namespace "$NAMESPACE" rollout status "$1" --timeout "${EVENLIGHT_ROLLOUT:-300s}" ||
        die "$1 did not become ready. Its pods:" "$(kubectl --namespace "$NAMESPACE" get pods --output wide)" \
            "$(kubectl --namespace "$NAMESPACE" get events --sort-by .lastTimestamp | tail -n 15)"
}

need_cluster
find_kustomize || die "This kubectl can't build the overlays: version 1.21 or newer is needed, or kustomize."
if [ "$OVERLAY" = test ] && ! knows policy/v1; then OVERLAY=test-1.20; fi
step "apply k8s/overlays/$OVERLAY" apply
for workload in $(kubectl --namespace "$NAMESPACE" get statefulsets,deployments --output name); do
    step "$workload" await_rollout "$workload"
done
kubectl --namespace "$NAMESPACE" get pods --label-columns role
printf '==> ready. kubectl -n %s port-forward service/evenlight 3000:80, then http://127.0.0.1:3000\n' "$NAMESPACE"
