#!/bin/sh
# Builds the image again and compares it with what somebody says it is: for parties, before they approve.
#
#   infra/image/compare.sh sha256:IMAGE            the container image, by its digest
#   infra/image/compare.sh --vm code.json          the measured image, by what the contract says of it
#   infra/image/compare.sh --policy POLICY HEX     a container group's policy, by the host data in the contract
#
# Ends with 0 if it is the same, with 1 if it is not.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

differs() {
  echo "cleanroom: expected $1" >&2
  echo "cleanroom: got      $2" >&2
  exit 1
}

case "${1:-}" in
  --policy)
    found=$(cd "$root" && python3.13 -m tools.image host-data "$2")
    [ "$found" = "$3" ] || differs "$3" "$found" ;;
  --vm)
    "$here/build.sh" "$work/built" --vm >"$work/log"
    cmp -s "$work/built/code.json" "$2" || differs "$(cat "$2")" "$(cat "$work/built/code.json")" ;;
  sha256:*)
    "$here/build.sh" "$work/built" >"$work/log"
    found=$(cat "$work/built/image.digest")
    [ "$found" = "$1" ] || differs "$1" "$found" ;;
  *)
    sed -n 's/^# \{0,1\}//p' "$0" >&2
    exit 2 ;;
esac
echo "cleanroom: the same"
