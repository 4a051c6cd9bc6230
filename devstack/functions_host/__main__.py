"""`python -m devstack.functions_host`."""

import sys

from devstack.functions_host.command import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
