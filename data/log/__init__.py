"""The event log on disk: its parts, how a bucket is read, weaving them into one, taking a lead out.

Belongs here: all that reads the log's files or writes them anew. Not here: where rows come from (`data/sources/`), what
becomes of a row that comes in (`data/intake/`), and what is counted over them (`features/`).
"""
