"""Taking rows in: staged and checked, judged beside what is known, written as the next part of the log.

Belongs here: what becomes of a row that comes in. Not here: how a source is read (`data/sources/`), and how the log
lies on disk (`data/log/`).
"""
