#!/usr/bin/env bash
# krew.sh VERSION REPOSITORY SHA256SUMS: prints .krew.yaml for this release, filled in.
set -euo pipefail

fail() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

[ $# -eq 3 ] || fail "krew.sh takes VERSION REPOSITORY SHA256SUMS"
version=$1 repository=$2 sums=$3
root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
[[ $version =~ ^v[0-9]+\.[0-9]+\.[0-9]+ ]] || fail "\`$version\` is no version; write it as v0.1.0"

sum() {
  local archive=papertiger-$version-linux-$1.tar.gz found
  found=$(awk -v name="$archive" '$2 == name { print $1 }' "$sums")
  [ -n "$found" ] || fail "$sums does not name $archive"
  printf '%s' "$found"
}

amd64=$(sum amd64)
arm64=$(sum arm64)
sed -e '/^#/d' -e "s|@VERSION@|$version|g" -e "s|@REPOSITORY@|$repository|" -e "s|@AMD64@|$amd64|" -e "s|@ARM64@|$arm64|" \
  "$root/.krew.yaml"
