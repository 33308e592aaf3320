#!/usr/bin/env bash
# Scans the manifests and compares them with the base: a SARIF file, the job's summary, and the text of a comment. Fails
# for what cannot be answered alone; what the answers mean for the job is the gate's to say.
set -euo pipefail

work="$(mktemp -d "${RUNNER_TEMP:-/tmp}/bailiwick.XXXXXX")"

# GitHub takes 65,536 characters in a comment and 1 MiB in a summary.
comment_bytes=65000
diff_bytes=20000

scan=(scan -f "$INPUT_PATH" --defaults "$INPUT_DEFAULTS")
[ -z "$INPUT_BASELINE" ] || scan+=(--baseline "$INPUT_BASELINE")
[ -z "$INPUT_EXCEPTIONS" ] || scan+=(--exceptions "$INPUT_EXCEPTIONS")
[ "$INPUT_FAIL_ON" = never ] || scan+=(--fail-on "$INPUT_FAIL_ON")

# The exit code of a command whose answer may be no. Wrong use, and what nobody knows, ends the step.
answer() {
  local code=0
  "$@" || code=$?
  case $code in
    0 | 1 | 3) echo "$code" >"$work/exit" ;;
    *) exit "$code" ;;
  esac
}

# The lines of a file up to a number of bytes, and how many are left.
bounded() {
  LC_ALL=C awk -v most="$2" '
    (bytes += length($0) + 1) <= most { print; next }
    { left++ }
    END { if (left) printf "\n%d more lines do not fit here; `bailiwick diff` shows them all.\n", left }
  ' "$1"
}

answer "$BAILIWICK" "${scan[@]}" -o sarif >"$INPUT_SARIF"
scan_exit="$(cat "$work/exit")"
answer "$BAILIWICK" "${scan[@]}" -o markdown >"$work/scan.md" 2>"$work/scan.err"

diff_exit=
if [ -n "$INPUT_BASE" ] && [ "$INPUT_BASE" != none ]; then
  # A checkout of depth 1 does not have the base.
  git cat-file -e "$INPUT_BASE^{commit}" 2>/dev/null || git fetch --quiet --depth=1 origin "$INPUT_BASE"
  if [ -n "$(git ls-tree --name-only "$INPUT_BASE" -- "$INPUT_PATH")" ]; then
    diff=(diff "$INPUT_BASE:$INPUT_PATH" "$INPUT_PATH" --defaults "$INPUT_DEFAULTS")
    [ "$INPUT_DIFF_FAIL_ON" = never ] || diff+=(--fail-on "$INPUT_DIFF_FAIL_ON")
    answer "$BAILIWICK" "${diff[@]}" -o markdown >"$work/diff.md" 2>"$work/diff.err"
    diff_exit="$(cat "$work/exit")"
    cat "$work/diff.err" >&2
  else
    echo "note: $INPUT_BASE has no $INPUT_PATH: there is nothing to compare with" >&2
  fi
fi

{
  if [ -n "$diff_exit" ]; then
    printf '### What changes for whom\n\n'
    if [ -s "$work/diff.md" ]; then bounded "$work/diff.md" "$diff_bytes"; else echo "Nobody's access changes."; fi
    echo
  fi
} >"$work/head.md"

cat "$work/head.md" "$work/scan.md" >>"$GITHUB_STEP_SUMMARY"

{
  echo '<!-- bailiwick -->'
  cat "$work/head.md"
} >"$work/comment.md"
if [ "$(($(wc -c <"$work/comment.md") + $(wc -c <"$work/scan.md")))" -le "$comment_bytes" ]; then
  cat "$work/scan.md" >>"$work/comment.md"
else
  head -n 1 "$work/scan.md" >>"$work/comment.md"
  printf '\nThe findings do not fit here; the summary of the job has them.\n' >>"$work/comment.md"
fi

{
  echo "sarif=$INPUT_SARIF"
  echo "comment=$work/comment.md"
  echo "scan-exit=$scan_exit"
  echo "diff-exit=$diff_exit"
} >>"$GITHUB_OUTPUT"
