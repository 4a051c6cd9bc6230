"""Run the storage front: `python -m devstack.storage`."""

import sys

from devstack.storage.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
