"""The collector of cycles while a server runs: it looks neither at what stays nor at every history that is read."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

WORTH_IT = (10_000, 10, 10)
"""So many new objects, and collections of those younger, make a collection worth it (`gc.set_threshold`). With Python's
700 each history of a thousand events makes one, and all that lives is looked through twice a second: for 50 ms each
with a thousand connections, while nobody is answered."""


@contextmanager
def seldom_collected() -> Iterator[None]:
    """While it lasts, what is here now is never looked at, and what comes seldom."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(*WORTH_IT)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
