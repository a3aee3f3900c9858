"""Every example in a docstring runs."""

from __future__ import annotations

import doctest
import importlib

from tests.test_architecture import modules

FEWEST = 40


def test_every_example_runs() -> None:
    tried = 0
    for name in modules():
        result = doctest.testmod(importlib.import_module(name))
        assert result.failed == 0, name
        tried += result.attempted
    assert tried >= FEWEST
