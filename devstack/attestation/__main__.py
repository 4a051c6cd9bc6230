"""Run the service: python -m devstack.attestation."""

import sys

from devstack.attestation.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
