#!/usr/bin/env bash
# Brings Evenlight up in the cluster that KUBECONFIG names, plays faults on it, and writes the figures to target/k8s-test.json.
# EVENLIGHT_KEEP=1 leaves it there afterwards.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
. "$ROOT/scripts/k8s-lib.sh"

REPORT="$ROOT/target/k8s-test.json"
NAMESPACE=evenlight

rehearse() { python3 k8s/test/run.py "$BINARY" "$REPORT"; }

remove() {
    # What the pods wrote to the node's folder is theirs to remove.
    kubectl --namespace "$NAMESPACE" exec deployment/evenlight --container tools -- sh -c 'rm -rf /store/*' >/dev/null 2>&1 || true
    kubectl delete namespace "$NAMESPACE" --timeout 120s >/dev/null
    kubectl delete persistentvolume evenlight-store --timeout 60s >/dev/null
}

need_cluster
if kubectl get namespace "$NAMESPACE" >/dev/null 2>&1 && [ -z "${EVENLIGHT_REUSE:-}" ]; then
    die "The cluster has a namespace $NAMESPACE already, which the test would change and remove." \
        "Remove it first, or name another cluster in KUBECONFIG."
fi
scripts/k8s-image.sh test
[ -x "$BINARY" ] || die "There is no $BINARY, which the cluster's results are compared with: make build"
scripts/k8s-up.sh test
check "what must show in a real cluster" rehearse
if [ -z "${EVENLIGHT_KEEP:-}" ]; then step "remove it from the cluster" remove; fi
summary
[ "$FAILED_STEPS" -eq 0 ] || die "Not everything holds; see above, and $REPORT."
