# What the scripts of the examples share: the program, a directory of their own, and an end that leaves nothing behind.
# Sourced with `here`, the directory of the example.

bailiwick=${BAILIWICK:-$(command -v bailiwick || true)}
if [ -z "$bailiwick" ]; then
  (cd "$here/../.." && cargo build --quiet --package bailiwick)
  bailiwick=$here/../../target/debug/bailiwick
fi
work=$(mktemp -d)
# Processes to end with the script.
pids=()
stop() {
  kill "${pids[@]}" 2>/dev/null || true
  wait 2>/dev/null || true
  rm -rf "$work"
}
trap stop EXIT

# Waits until a command succeeds: await WHAT COMMAND...
await() {
  for _ in $(seq 300); do
    "${@:2}" 2>/dev/null && return
    sleep 0.1
  done
  echo "$1 does not come" >&2
  cat "$work"/*.log >&2
  exit 1
}

# Whether somebody listens on a port of this machine.
listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1"); }
