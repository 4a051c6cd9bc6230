"""Run the server: python -m devstack.vault."""

import sys

from devstack.vault.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
