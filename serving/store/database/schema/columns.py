"""What all tables of the store share. Times are int64 µs UTC, ids are opaque text compared byte by byte."""

from __future__ import annotations

from sqlalchemy import BigInteger, Integer, MetaData, String, Text

NAME = Text().with_variant(Text(collation="C"), "postgresql")
TIME = BigInteger()
NUMBER = BigInteger().with_variant(Integer(), "sqlite")
DIGEST = String(64)

metadata = MetaData()
