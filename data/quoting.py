"""Text and names as parts of SQL, whatever they hold."""

from __future__ import annotations


def quoted(value: str) -> str:
    """A SQL text literal.

    >>> print(quoted("it's"))
    'it''s'
    """
    return "'" + value.replace("'", "''") + "'"


def named(value: str) -> str:
    """A SQL identifier.

    >>> print(named('a "b"'))
    "a ""b\"""
    """
    return '"' + value.replace('"', '""') + '"'
