#!/usr/bin/env bash
# Runs papertiger as the inputs say, and tells what came of it as outputs. Ends with 0 whatever that is, so that reports can be
# uploaded first; the action's last step ends with papertiger's own exit code.
set -euo pipefail

fail() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

flag() {
  [ -z "$2" ] || arguments+=("$1" "$2")
}

case $COMMAND in
  verify | lab) arguments=("$COMMAND") ;;
  *) fail "the input \`command\` is \`$COMMAND\`; it can be verify or lab" ;;
esac
flag --profile "$PROFILE"
flag --expect "$EXPECT"
flag --fail-on "$FAIL_ON"
# Words, and nothing but words: whatever a shell would make of them, it does not get to see them.
read -r -d '' -a words <<<"$ARGS" || true
arguments+=("${words[@]}")

mkdir -p -- "$REPORTS"
json=$REPORTS/papertiger.json
# On a machine of one's own the last run's may still be there.
rm -f -- "$json"
for report in "json=$json" "junit=$REPORTS/junit.xml" "markdown=$REPORTS/summary.md" "html=$REPORTS/papertiger.html"; do
  arguments+=(--report "$report")
done
arguments+=(--record "$REPORTS/run.jsonl")

if [ -n "$KIND_CLUSTER" ]; then
  archive=$RUNNER_TEMP/papertiger-image.tar
  saved=$(papertiger image save "$archive")
  kind load image-archive --name "$KIND_CLUSTER" "$archive"
  arguments+=(--image "$(awk '$1 == "image" { print $2 }' <<<"$saved")")
fi

code=0
papertiger "${arguments[@]}" &
papertiger=$!
# A job that is cancelled tells this shell alone, and papertiger has a cluster to clean up.
trap 'kill -TERM "$papertiger"' INT TERM
wait "$papertiger" || code=$?
while kill -0 "$papertiger" 2>/dev/null; do
  code=0
  wait "$papertiger" || code=$?
done

{
  printf 'exit-code=%s\n' "$code"
  if [ -f "$json" ]; then
    printf 'json=%s\n' "$json"
    printf 'verdict=%s\n' "$(sed -n 's/^  "verdict": "\(.*\)",$/\1/p' "$json")"
  fi
} >>"$GITHUB_OUTPUT"
