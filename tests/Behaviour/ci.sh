#!/usr/bin/env bash
# The part of the corpus that every change is held to: our control plane and our proxy, two rigs beside each other, some five minutes on two cores.
# Only stories that our proxy answers as recorded stand here; those that differ, and why, are in RESULTS.md (ap-tcp-deny-with-http-field and http-1-0 among them).
# Needs root and what README.md names. Ends with "N passed, N failed"; exit 1 when anything failed.
set -u
here=$(cd "$(dirname "$0")" && pwd)
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
one() { "$here/run-apart.sh" "$1" check "${@:2}" >"$logs/$1" 2>&1; }
traffic=(plain-call split strict fault-abort-share fault-for-one-user headers-response-ops match-method match-uri-regex-full match-without-headers redirect-uri
  rewrite-regex-captures retry-5xx retry-listed-codes timeout-answers-504 weight-shift-in-steps delegate-mesh direct-response-text hosts-several-in-one
  dr-subset-inherits-blocks tcp-weights unknown-destination)
rest=(pa-strict-call-pod-address pa-default-permissive ap-principals ap-methods ap-namespaces ap-not-principals jwt-basic jwt-bad-signatures
  xfcc-forged-by-caller norm-default no-endpoints missing-subset-then-defined retry-default registry-only grpc-unary grpc-stream websocket-upgrade
  hop-by-hop-headers gw-tls-simple gw-host-patterns k8s-match-precedence k8s-weights-and-broken-backends log-fields-of-success log-json-own-fields)
files() { for name in "$@"; do find "$here/cases" -name "$name.yaml"; done; }
mapfile -t first < <(files "${traffic[@]}")
mapfile -t second < <(files "${rest[@]}")
one ci-a "${first[@]}" &
one ci-b "${second[@]}" &
wait
grep -hE '^(different|failed)|^ ' "$logs"/ci-? | grep -v Deprecated || true
wanted=$((${#first[@]} + ${#second[@]}))
passed=$(cat "$logs"/ci-? | grep -c '^same')
echo "$passed passed, $((wanted - passed)) failed"
[ "$passed" -eq "$wanted" ]
