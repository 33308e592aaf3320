#!/usr/bin/env bash
# Names the program to use: the one that is given, or this revision, built here.
set -euo pipefail

bailiwick="$INPUT_BAILIWICK"
if [ -z "$bailiwick" ]; then
  cargo build --quiet --release --locked --package bailiwick --manifest-path "$GITHUB_ACTION_PATH/Cargo.toml"
  bailiwick="${CARGO_TARGET_DIR:-$GITHUB_ACTION_PATH/target}/release/bailiwick"
fi
"$bailiwick" --version
echo "bailiwick=$bailiwick" >>"$GITHUB_OUTPUT"
