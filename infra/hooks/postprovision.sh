#!/bin/sh
# After azd provision: say what parties need to know. Checks and prints, nothing else.
set -eu

echo "cleanroom: tell the parties"
echo "  storage             ${CLEANROOM_STORAGE_URL:-unknown}"
echo "  API                 ${CLEANROOM_API_URL:-unknown}"
echo "  topic for approvals ${CLEANROOM_PARTIES_ENDPOINT:-unknown}"
echo "  runner, object id   ${CLEANROOM_RUNNER_PRINCIPAL_ID:-unknown}"
echo "  functions, object id ${CLEANROOM_FUNCTIONS_PRINCIPAL_ID:-unknown}"
echo "  those in another directory, instead of the object ids: the applications"
echo "    runner            ${CLEANROOM_RUNNER_APPLICATION_ID:-none yet}"
echo "    functions         ${CLEANROOM_FUNCTIONS_APPLICATION_ID:-none yet}"
echo "  runner, subnet      ${CLEANROOM_RUNNER_SUBNET_ID:-unknown}"
echo "  functions, subnet   ${CLEANROOM_FUNCTIONS_SUBNET_ID:-unknown}"
echo "  address             ${CLEANROOM_EGRESS_ADDRESS:-unknown}"
if [ "${CLEANROOM_FUNCTIONS_DEPLOYED:-false}" != "true" ]; then
  echo "cleanroom: events do not reach the functions yet: azd deploy, then what it says"
fi
