"""What gives the outcome away: the leakage audit.

Belongs here: checks of columns and histories, and their findings. Not here: checks of a served model
(`training/monitoring/`).
"""
