#!/usr/bin/env bash
# Two services speak mutual TLS with identities from an embedded authority. Nothing stays behind.
#
#   examples/mtls/run.sh
#   BAILIWICK=/path/to/bailiwick examples/mtls/run.sh
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib.sh"

export SPIFFE_ENDPOINT_SOCKET=unix://$work/agent.sock
"$bailiwick" agent --embedded --socket "$work/agent.sock" --data "$work/authority" --rules "$here/rules.yaml" \
  >"$work/ready" 2>"$work/agent.log" &
pids+=($!)
await "$work/ready" test -s "$work/ready"

for service in orders shop; do
  "$bailiwick" identity watch --id "spiffe://localhost/$service" --write "$work/$service" >"$work/$service.log" 2>&1 &
  pids+=($!)
done
await "$work/orders/svid.pem" test -s "$work/orders/svid.pem"
await "$work/shop/svid.pem" test -s "$work/shop/svid.pem"

python3 "$here/service.py" orders "$work/orders" "$work/port" &
pids+=($!)
await "$work/port" test -s "$work/port"
port=$(cat "$work/port")

echo "shop asks orders:"
python3 "$here/service.py" shop "$work/shop" "$port"
echo "orders asks itself, and is not shop:"
python3 "$here/service.py" shop "$work/orders" "$port"
echo "somebody of another authority asks, who has the same name:"
"$bailiwick" agent --embedded --socket "$work/other.sock" --data "$work/other" --rules "$here/rules.yaml" \
  >"$work/other-ready" 2>"$work/other.log" &
pids+=($!)
await "$work/other-ready" test -s "$work/other-ready"
"$bailiwick" identity fetch --socket "$work/other.sock" --id spiffe://localhost/shop --write "$work/forged" --quiet
cp "$work/shop/bundle.pem" "$work/forged/bundle.pem"
if python3 "$here/service.py" shop "$work/forged" "$port" 2>/dev/null; then
  echo "it was let in" >&2
  exit 1
fi
echo "it got no answer"
