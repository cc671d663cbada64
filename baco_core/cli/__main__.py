"""`python -m baco_core.cli` is `baco`."""

from __future__ import annotations

import sys

from baco_core.cli import main

sys.exit(main())
