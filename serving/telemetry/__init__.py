"""What the server tells of itself: metrics and log lines.

Belongs here: counters and the log; no personal data. Not here: what became of scores (`training/monitoring/`).
"""
