#!/usr/bin/env bash
# Resolve all lock files from pyproject.toml: pinned, hashed, and without any registry's address.
set -euo pipefail
cd "$(dirname "$0")/.."
uv=".venv/bin/uv"
[ -x "$uv" ] || uv="uv"
compile() {
  "$uv" pip compile --quiet --universal --python "${PYTHON:-python3}" --python-version 3.13 \
    --generate-hashes --no-emit-index-url --custom-compile-command "make lock" "$@"
}
compile --extra functions --output-file requirements.txt pyproject.toml
compile --extra dev --output-file requirements-dev.txt pyproject.toml
compile --extra runner --output-file infra/image/requirements.txt pyproject.toml
compile --output-file tests/infra/audit/requirements.txt tests/infra/audit/requirements.in
