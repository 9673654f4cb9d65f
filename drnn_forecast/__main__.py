"""`python -m drnn_forecast` is the command `drnn-forecast`."""

import sys

from drnn_forecast.cli import main

if __name__ == "__main__":
    sys.exit(main())
