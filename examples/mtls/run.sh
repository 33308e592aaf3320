#!/usr/bin/env bash
# Two services speak mutual TLS with identities from an embedded authority. Nothing stays behind.
#
#   examples/mtls/run.sh
#   BAILIWICK=/path/to/bailiwick examples/mtls/run.sh
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
bailiwick=${BAILIWICK:-$(command -v bailiwick || true)}
if [ -z "$bailiwick" ]; then
  (cd "$here/../.." && cargo build --quiet --package bailiwick)
  bailiwick=$here/../../target/debug/bailiwick
fi
work=$(mktemp -d)
pids=()
stop() {
  kill "${pids[@]}" 2>/dev/null || true
  wait 2>/dev/null || true
  rm -rf "$work"
}
trap stop EXIT

# Waits until a file is there.
await() {
  for _ in $(seq 300); do
    [ -s "$1" ] && return
    sleep 0.1
  done
  echo "$1 does not come" >&2
  cat "$work"/*.log >&2
  exit 1
}

export SPIFFE_ENDPOINT_SOCKET=unix://$work/agent.sock
"$bailiwick" agent --embedded --socket "$work/agent.sock" --data "$work/authority" --rules "$here/rules.yaml" \
  >"$work/ready" 2>"$work/agent.log" &
pids+=($!)
await "$work/ready"

for service in orders shop; do
  "$bailiwick" identity watch --id "spiffe://localhost/$service" --write "$work/$service" >"$work/$service.log" 2>&1 &
  pids+=($!)
done
await "$work/orders/svid.pem"
await "$work/shop/svid.pem"

python3 "$here/service.py" orders "$work/orders" "$work/port" &
pids+=($!)
await "$work/port"
port=$(cat "$work/port")

echo "shop asks orders:"
python3 "$here/service.py" shop "$work/shop" "$port"
echo "orders asks itself, and is not shop:"
python3 "$here/service.py" shop "$work/orders" "$port"
echo "somebody of another authority asks, who has the same name:"
"$bailiwick" agent --embedded --socket "$work/other.sock" --data "$work/other" --rules "$here/rules.yaml" \
  >"$work/other-ready" 2>"$work/other.log" &
pids+=($!)
await "$work/other-ready"
"$bailiwick" identity fetch --socket "$work/other.sock" --id spiffe://localhost/shop --write "$work/forged" --quiet
cp "$work/shop/bundle.pem" "$work/forged/bundle.pem"
if python3 "$here/service.py" shop "$work/forged" "$port" 2>/dev/null; then
  echo "it was let in" >&2
  exit 1
fi
echo "it got no answer"
