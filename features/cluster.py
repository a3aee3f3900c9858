"""Lets the same joblib tasks run on an existing Dask cluster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import joblib

from data.contract import UsageError


@contextmanager
def on_cluster(address: str | None) -> Iterator[None]:
    """Within it joblib sends its tasks to the Dask scheduler at `address`; None stays on this machine.

    Workers need this repository, its environment and the workspace under the same paths. Raises UsageError when
    dask is not installed or nobody answers.
    """
    if address is None:
        yield
        return
    try:
        from distributed import Client
    except ModuleNotFoundError:
        raise UsageError("--cluster needs dask; install leadscore with its extra `cluster`") from None
    try:
        client = Client(address, timeout="5s")
    except (OSError, ValueError) as error:
        raise UsageError(f"--cluster {address}: no Dask scheduler answers there ({type(error).__name__})") from None
    with client, joblib.parallel_config(backend="dask", wait_for_workers_timeout=60):
        yield
