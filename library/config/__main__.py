"""`python -m library.config`: check a configuration and print what is in force."""

import sys

from library.config.settings import main

if __name__ == "__main__":
    sys.exit(main())
