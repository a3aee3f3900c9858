"""Asking APIs of CRMs and trackers for what has changed, and landing the answers as files that an ingest reads.

Belongs here: how pages are asked for, waited for and landed, and the files that say what is asked of whom (`*.toml`).
Not here: what the rows mean (`data/mappings/`), and how they come into the log (`data/intake/`).
"""
