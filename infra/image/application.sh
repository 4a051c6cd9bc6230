#!/bin/sh
# Puts the runner and what it needs into a folder, where a root has them: packages by their hashes, the command.
#
#   infra/image/application.sh FOLDER
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
folder=${1:?usage: application.sh FOLDER}
python=${PYTHON:-python3.13}
export SOURCE_DATE_EPOCH=1767225600 PYTHONHASHSEED=0
umask 022

lib="$folder/usr/local/lib/python3.13/dist-packages"
bin="$folder/opt/cleanroom/bin"
mkdir -p "$lib" "$bin"
"$python" -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: \
  --no-compile --no-deps --target "$lib" -r "$here/requirements.txt"
for package in cleanroom runner; do
  cp -R "$root/$package" "$lib/$package"
done
rm -rf "$lib/bin"
find "$lib" -name __pycache__ -type d -prune -exec rm -rf {} +
# What pip notes of itself says when and from where; nothing needs it.
find "$lib" -path '*.dist-info/*' \( -name RECORD -o -name INSTALLER -o -name REQUESTED -o -name direct_url.json \) -delete
# Checked by what they were compiled from, never by time.
"$python" -m compileall -q -j 1 --invalidation-mode unchecked-hash \
  -s "$folder" -p / "$lib"

cat >"$bin/cleanroom-runner" <<'RUNNER'
#!/usr/bin/python3.13 -I
"""Start the runner."""

import sys

from runner.main import main

sys.exit(main())
RUNNER
chmod 755 "$bin/cleanroom-runner"
