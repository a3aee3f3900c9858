"""The event log: taking in rows, generations on disk, erasing.

Belongs here: all that writes or reads the log's files. Not here: where rows come from (`data/sources/`), and what is
counted over them (`features/`).
"""
