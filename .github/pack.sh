#!/usr/bin/env bash
# pack.sh VERSION ARCH EXECUTABLE DIRECTORY: the archive of a release, with all that a package of it would install.
set -euo pipefail

fail() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

[ $# -eq 4 ] || fail "pack.sh takes VERSION ARCH EXECUTABLE DIRECTORY"
version=$1 arch=$2 executable=$3 directory=$4
root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
tree=$(mktemp -d)
trap 'rm -rf -- "$tree"' EXIT

# It has to be static, and this is what knows: nothing else is put into an image.
"$executable" image save /dev/null --executable "$executable" >/dev/null
says=$("$executable" version)
grep -qx "papertiger ${version#v}" <<<"$says" || fail "the tag is $version, and the executable says: $says"
grep -qx 'agents carried: amd64, arm64' <<<"$says" || fail "an agent is missing: $says"

install -m 755 -- "$executable" "$tree/papertiger"
install -m 644 -t "$tree" -- "$root/LICENSE" "$root/THIRD-PARTY-LICENCES"
mkdir -- "$tree/completions" "$directory"
"$executable" completions bash >"$tree/completions/papertiger.bash"
"$executable" completions zsh >"$tree/completions/_papertiger"
"$executable" completions fish >"$tree/completions/papertiger.fish"
"$executable" man >"$tree/papertiger.1"

# The same bytes whoever packs them, and whenever.
tar --create --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 --directory "$tree" \
  LICENSE THIRD-PARTY-LICENCES completions papertiger papertiger.1 |
  gzip --no-name --best >"$directory/papertiger-$version-linux-$arch.tar.gz"
