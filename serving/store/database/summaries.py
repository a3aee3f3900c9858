"""Summaries of all leads, made when they are scored, so that a page reads one row instead of a million."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import select

from serving.store.database.connection import Database, insert
from serving.store.database.schema import summaries


class Summaries:
    """Keeps one summary of each name and target."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def keep(self, target: str, name: str, body: Any, now: int) -> None:
        """Puts a summary (plain values for JSON) in the place of the one before. now: µs UTC."""
        row = {"target": target, "name": name, "made_at": now, "body": json.dumps(body, ensure_ascii=False)}
        with self._database.write() as connection:
            there = insert(connection, summaries).values(row)
            set_ = {column: there.excluded[column] for column in ("made_at", "body")}
            connection.execute(
                there.on_conflict_do_update(index_elements=[summaries.c.target, summaries.c.name], set_=set_)
            )

    def read(self, target: str, name: str) -> tuple[int, Any] | None:
        """When it was made, µs UTC, and its body; None when it was not made yet."""
        query = select(summaries.c.made_at, summaries.c.body)
        query = query.where(summaries.c.target == target, summaries.c.name == name)
        with self._database.read() as connection:
            row = connection.execute(query).first()
        return None if row is None else (row.made_at, json.loads(row.body))
