#!/bin/sh
# Before azd provision: say what is missing. Checks and prints, nothing else.
set -eu

if [ -z "${CLEANROOM_API_CLIENT_ID:-}" ]; then
  echo "cleanroom: CLEANROOM_API_CLIENT_ID is not set" >&2
  echo "hint: register an application for the API and say azd env set CLEANROOM_API_CLIENT_ID its-client-id (docs/guides/azure.md)" >&2
  exit 1
fi

platform="${CLEANROOM_RUNNER_PLATFORM:-none}"
case "$platform" in
  none)
    echo "cleanroom: no runner; jobs will wait in the queue until CLEANROOM_RUNNER_PLATFORM says where they run" ;;
  vm | scale-set)
    if [ -z "${CLEANROOM_RUNNER_IMAGE_ID:-}" ]; then
      echo "cleanroom: CLEANROOM_RUNNER_IMAGE_ID is not set: contracts cannot name what runs on a stock image" >&2
      echo "hint: build the measured image (infra/image) and put it into a gallery; for a first try set allowStockImage in infra/main.parameters.json" >&2
    fi ;;
  aci)
    if [ -z "${CLEANROOM_CONTAINER_IMAGE:-}" ] || [ -z "${CLEANROOM_CONFIDENTIAL_POLICY:-}" ]; then
      echo "cleanroom: CLEANROOM_CONTAINER_IMAGE or CLEANROOM_CONFIDENTIAL_POLICY is not set: the registry will be made, and no container" >&2
    fi ;;
  aks)
    echo "cleanroom: whoever administers the cluster can look into its pods; see infra/README.md before data comes" >&2 ;;
  *)
    echo "cleanroom: CLEANROOM_RUNNER_PLATFORM is none, vm, scale-set, aci or aks, and not $platform" >&2
    exit 1 ;;
esac
