"""Run a simulated guest's hardware: python -m devstack.hardware."""

import sys

from devstack.hardware.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
