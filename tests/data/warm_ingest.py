"""Imported once by the process that forks the others: what they need is imported and its compiled code loaded."""

from __future__ import annotations

import numpy as np

import tests.data.killed_ingest  # noqa: F401
from data.sources.splitting import copy_field, split

places = np.zeros((1, 1), np.int64)
flags, codes = np.zeros((1, 1), np.bool_), np.zeros(1, np.int8)
line = np.frombuffer(b"a\n", np.uint8)
split(line, 0, True, 1, 44, 34, places[0], places[0], places, places, flags, codes, flags[0])
column = places[:, 0], places[:, 0], flags[:, 0]
copy_field(line, *column, 34, line, places[:, 0], np.zeros(2, np.int32), line.copy(), flags[:, 0])
