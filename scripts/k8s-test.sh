#!/usr/bin/env bash
# Starts Evenlight in the cluster in KUBECONFIG, injects faults, and writes the measurements to target/k8s-test.json.
# EVENLIGHT_KEEP=1 keeps it running afterwards.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
. "$ROOT/scripts/k8s-lib.sh"

REPORT="$ROOT/target/k8s-test.json"
NAMESPACE=evenlight

rehearse() { python3 k8s/test/run.py "$BINARY" "$REPORT"; }

remove() {
    # Only the pods may remove their files from the node's folder.
    kubectl --namespace "$NAMESPACE" exec deployment/evenlight --container tools -- sh -c 'rm -rf /store/*' >/dev/null 2>&1 || true
    kubectl delete namespace "$NAMESPACE" --timeout 120s >/dev/null
    kubectl delete persistentvolume evenlight-store --timeout 60s >/dev/null
}

need_cluster
if kubectl get namespace "$NAMESPACE" >/dev/null 2>&1 && [ -z "${EVENLIGHT_REUSE:-}" ]; then
    die "The cluster already has a namespace $NAMESPACE, which the test would change and remove." \
        "Remove it first, or select another cluster with KUBECONFIG."
fi
scripts/k8s-image.sh test
[ -x "$BINARY" ] || die "$BINARY is missing. The test compares the cluster's results with it: run make build"
scripts/k8s-up.sh test
check "faults in a real cluster" rehearse
if [ -z "${EVENLIGHT_KEEP:-}" ]; then step "remove it from the cluster" remove; fi
summary
[ "$FAILED_STEPS" -eq 0 ] || die "Some checks failed; see above, and $REPORT."
