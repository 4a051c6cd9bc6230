"""The command as a module: `python -m runner`."""

import sys

from runner.main import main

if __name__ == "__main__":
    sys.exit(main())
