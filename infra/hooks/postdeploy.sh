#!/bin/sh
# After azd deploy: say what is left. Checks and prints, nothing else.
set -eu

if [ "${CLEANROOM_FUNCTIONS_DEPLOYED:-false}" != "true" ]; then
  echo "cleanroom: the code is there; now have events lead to it:"
  echo "  azd env set CLEANROOM_FUNCTIONS_DEPLOYED true && azd provision"
fi
echo "cleanroom: then look at everything:"
echo "  cleanroom doctor operator --subscription ${AZURE_SUBSCRIPTION_ID:-ID} --group ${AZURE_RESOURCE_GROUP:-NAME}"
