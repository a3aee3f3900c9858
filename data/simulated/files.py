"""How files of the simulated funnel are written: plain CSV, without quotes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pa_csv

PLAIN = pa_csv.WriteOptions(include_header=False, quoting_style="none")


def write_csv(path: Path, table: pa.Table, lines: Iterable[str] = ()) -> None:
    """A table, and lines behind it as they are."""
    with path.open("wb") as file:
        file.write((",".join(table.column_names) + "\n").encode())
        pa_csv.write_csv(table, file, PLAIN)
        file.writelines(f"{line}\n".encode() for line in lines)
