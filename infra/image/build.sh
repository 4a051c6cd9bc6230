#!/bin/sh
# Builds the runner's image: its root as a container image and, with --vm, a measured image of a machine.
#
#   infra/image/build.sh OUTPUT [--vm]
#
# Two who build the same commit get the same bytes: Debian is taken from a snapshot of one day, Python's
# packages by their hashes, times are one time, nothing is compressed. compare.sh compares.
# Needs: Debian 13 or a container of it, mmdebstrap, python3.13 with pip and venv; for --vm also mkosi 25,
# systemd-ukify, systemd-repart, erofs-utils, cryptsetup-bin, mtools, qemu-utils.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
mkdir -p "${1:?usage: build.sh OUTPUT [--vm]}"
output=$(cd "$1" && pwd)
vm=${2:-}
snapshot=20261101T000000Z
export SOURCE_DATE_EPOCH=1767225600 LC_ALL=C.UTF-8 TZ=UTC PYTHONHASHSEED=0
umask 022
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# 1. The base: chosen packages of one day, unpacked and nothing else. No maintainer script runs.
packages=$(grep -v '^#' "$here/packages.txt" | paste -s -d , -)
mmdebstrap --variant=extract --include="$packages" --format=tar trixie "$output/base.tar" \
  "deb [check-valid-until=no] https://snapshot.debian.org/archive/debian/$snapshot trixie main"

# 2. Our code and what it needs, by hash, compiled so that nothing is written later.
"$here/application.sh" "$work/application"
(cd "$root" && python3.13 -m tools.image layer "$work/application" "$output/application.tar")

cat "$output/base.tar" "$output/application.tar" >"$output/root.tar" # for a stock image: tar --ignore-zeros

# 3. Both as a container image. Its digest names every byte of it.
rm -rf "$output/oci"
(cd "$root" && python3.13 -m tools.image oci "$output/oci" "$output/base.tar" "$output/application.tar") \
  >"$output/image.digest"
cat "$output/image.digest"

# 4. The same root in a machine: read-only, verified, its hash in the kernel's command line, all of it
#    measured by the firmware.
if [ "$vm" = "--vm" ]; then
  mkdir -p "$work/extra/opt/cleanroom/root"
  tar -xf "$output/base.tar" -C "$work/extra/opt/cleanroom/root"
  tar -xf "$output/application.tar" -C "$work/extra/opt/cleanroom/root"
  mkosi --directory "$here" --output-directory "$output" --extra-tree "$work/extra" --force build
  (cd "$root" && python3.13 -m tools.image pcrs "$output/cleanroom-runner.efi") >"$output/code.json"
  qemu-img convert -f raw -O vpc -o subformat=fixed,force_size \
    "$output/cleanroom-runner.raw" "$output/cleanroom-runner.vhd"
  cat "$output/code.json"
fi
