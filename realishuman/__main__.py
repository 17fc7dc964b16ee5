"""The command line, as `python -m realishuman` or, from any place, `python FOLDER/realishuman`."""

import sys
from pathlib import Path

if not __package__:  # run as a folder, which is then the first place that Python searches
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from realishuman.cli.main import main  # found only now

sys.exit(main())
