#!/usr/bin/env bash
# Gives the kind cluster `papertiger` its network: calico, or flannel.
set -euo pipefail

network=${1:?calico or flannel}
manifest=$(mktemp)
trap 'rm -f -- "$manifest"' EXIT

apply() {
  local url=$1 sum=$2
  curl --proto '=https' --tlsv1.2 --fail --silent --show-error --location --retry 3 --output "$manifest" "$url"
  printf '%s  %s\n' "$sum" "$manifest" | sha256sum --check --strict
  kubectl apply --filename "$manifest"
}

case $network in
  calico)
    apply https://raw.githubusercontent.com/projectcalico/calico/v3.31.0/manifests/calico.yaml \
      1990b1cec14002790718bb960b1b8445eb7b896cd16c32e952309f35a9026981
    kubectl --namespace kube-system rollout status daemonset/calico-node --timeout=5m
    ;;
  flannel)
    sudo modprobe br_netfilter
    # Flannel delegates to a plugin that the nodes' image leaves out.
    CGO_ENABLED=0 go install github.com/containernetworking/plugins/plugins/main/bridge@v1.9.1
    for node in $(kind get nodes --name papertiger); do
      docker cp "$(go env GOPATH)/bin/bridge" "$node:/opt/cni/bin/bridge"
    done
    apply https://raw.githubusercontent.com/flannel-io/flannel/v0.28.9/Documentation/kube-flannel.yml \
      e875824be2f552b45711dbda91af81b17eb961d00025d914d9fef18fad8f09c0
    kubectl --namespace kube-flannel rollout status daemonset/kube-flannel-ds --timeout=5m
    ;;
  *)
    printf 'error: there is no network %s here, only calico and flannel\n' "$network" >&2
    exit 1
    ;;
esac
kubectl wait --for=condition=Ready nodes --all --timeout=5m
