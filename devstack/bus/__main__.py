"""Run the server: python -m devstack.bus."""

import sys

from devstack.bus.command import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
