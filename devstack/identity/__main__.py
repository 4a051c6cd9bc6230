"""Run the server: python -m devstack.identity."""

import sys

from devstack.identity.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
