"""The deal that an event is about: in the log a number below 2**64, in the store's signed columns the same bits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def stored_deal(deal: int | None) -> int | None:
    """What the store keeps of a deal of the log's.

    >>> stored_deal(7), stored_deal(2**64 - 1), stored_deal(None)
    (7, -1, None)
    """
    return deal if deal is None or deal < 2**63 else deal - 2**64


def deals_of(stored: Sequence[int | None]) -> NDArray[np.uint64]:
    """uint64[n]: the log's numbers of stored deals, 0 for none.

    >>> deals_of([7, -1, None]).tolist() == [7, 2**64 - 1, 0]
    True
    """
    return np.array([0 if deal is None else deal for deal in stored], np.int64).view(np.uint64)
