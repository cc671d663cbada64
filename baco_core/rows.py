"""Rows of logits: what models give, and all that routers and samplers see of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Logits = NDArray[np.float32]
"""One row of next-token logits, shape (vocab_size,), float32."""

Rows = NDArray[np.float32]
"""Several rows, shape (k, vocab_size), float32; row j follows the j-th of the last k tokens read."""
