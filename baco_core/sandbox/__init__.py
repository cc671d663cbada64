"""Jinja for templates from strangers: no way out, no endless work, no endless memory.

Jinja's own sandbox closes the ways out. This one also bounds work and memory, without threads or
signals, by three rules that the compiled template itself follows:
* every block, call, filter, test, operator and output looks at the processor time used so far;
* every value that is made (text joined, lists built, numbers multiplied) is measured, spelt out in
  full, against a limit; what could explode in one step is measured before the step;
* attributes are an allow-list, and templates cannot load other templates.
So no single step is long, and steps end when the time is used up.
"""

from __future__ import annotations

from baco_core.sandbox.budget import LimitError, limited
from baco_core.sandbox.environment import RaisedError, Sandbox

__all__ = ["LimitError", "RaisedError", "Sandbox", "limited"]
