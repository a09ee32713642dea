#!/usr/bin/env bash
# Puts papertiger into the PATH of all later steps: the executable that the input names, or that of a release, once its
# checksum has proven right.
set -euo pipefail

fail() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

directory=$RUNNER_TEMP/papertiger
mkdir -p -- "$directory"

if [ -n "$EXECUTABLE" ]; then
  [ -f "$EXECUTABLE" ] || fail "there is no file $EXECUTABLE, which the input \`executable\` names"
  install -m 755 -- "$EXECUTABLE" "$directory/papertiger"
else
  version=${VERSION:-$ACTION_REF}
  version=v${version#v}
  [[ $version =~ ^v[0-9]+\.[0-9]+\.[0-9]+ ]] ||
    fail "\`$ACTION_REF\` names no release of papertiger; say which one with the input \`version\`, such as v0.1.0"
  case $(uname -sm) in
    'Linux x86_64') platform=linux-amd64 ;;
    'Linux aarch64') platform=linux-arm64 ;;
    *) fail "there is no papertiger for $(uname -sm), only for Linux on amd64 and arm64" ;;
  esac
  archive=papertiger-$version-$platform.tar.gz
  # The action of this very repository (`uses: ./`) has no repository of its own.
  releases=$GITHUB_SERVER_URL/${ACTION_REPOSITORY:-$GITHUB_REPOSITORY}/releases/download
  cd -- "$directory"
  for file in "$archive" SHA256SUMS; do
    curl --proto '=https' --tlsv1.2 --fail --silent --show-error --location --retry 3 \
      --output "$file" "$releases/$version/$file" || fail "cannot download $releases/$version/$file"
  done
  awk -v name="$archive" '$2 == name' SHA256SUMS >expected
  [ -s expected ] || fail "SHA256SUMS of $version does not name $archive"
  sha256sum --check --strict expected || fail "$archive is not what SHA256SUMS of $version says"
  tar --extract --gzip --file "$archive" papertiger
fi

"$directory/papertiger" version
printf '%s\n' "$directory" >>"$GITHUB_PATH"
