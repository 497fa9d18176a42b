"""``python -m audit`` is the ``focus-audit`` command."""

import sys

from audit.cli import main

sys.exit(main())
