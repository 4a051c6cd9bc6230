"""Run the stack's confidential machine: python -m devstack.runner."""

import sys

from devstack.runner.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
