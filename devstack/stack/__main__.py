"""Runs the supervisor: `python -m devstack.stack HOME`."""

import sys

from devstack.stack.supervisor import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
