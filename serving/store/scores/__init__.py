"""Scores and stages as they were given, with reasons, thresholds published, and what is counted over them.

Belongs here: rows that a scoring writes or reads. Not here: computing a score (`serving/scoring/`).
"""
