"""Run the server: python -m devstack.eventgrid."""

import sys

from devstack.eventgrid.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
