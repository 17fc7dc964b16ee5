"""python -m realishuman: the command line."""

import sys

from realishuman.cli import main

sys.exit(main())
