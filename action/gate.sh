#!/usr/bin/env bash
# What the answers mean for the job. Input that could not be read fails it, whatever was found.
set -euo pipefail

failed=0
judge() {
  local what="$1" code="$2" on="$3"
  case $code in
    '' | 0) ;;
    1) [ "$on" = never ] || { echo "::error::Bailiwick: $what (fails on $on)"; failed=1; } ;;
    3) echo "::error::Bailiwick: part of the input could not be read; the report says which"; failed=1 ;;
    *) echo "::error::Bailiwick: no answer, exit code $code"; failed=1 ;;
  esac
}
[ -n "$SCAN_EXIT" ] || { echo "::error::Bailiwick: the scan did not run"; exit 1; }
judge "findings that count" "$SCAN_EXIT" "$INPUT_FAIL_ON"
judge "access that changes" "$DIFF_EXIT" "$INPUT_DIFF_FAIL_ON"
exit "$failed"
