#!/usr/bin/env bash
# Writes the comment on the pull request, or updates the one of an earlier run. A token that may not (as of a fork) costs
# the comment alone.
set -euo pipefail

comments="repos/$GITHUB_REPOSITORY/issues/$NUMBER/comments"
mine='[.[] | select(.body | startswith("<!-- bailiwick -->"))][0].id // empty'
id="$(gh api --paginate "$comments" --jq "$mine" | head -n 1)" || id=
if [ -n "$id" ]; then
  to=(--method PATCH "repos/$GITHUB_REPOSITORY/issues/comments/$id")
else
  to=(--method POST "$comments")
fi
if ! gh api --silent "${to[@]}" --field "body=@$COMMENT"; then
  echo "::warning::Bailiwick could not comment on the pull request; the summary of the job has the report"
fi
