"""How good predictions are: losses, intervals, evaluations, and their tables.

Belongs here: figures about predictions and what happened. Not here: what is decided by them (`training/recipe/`,
`training/thresholds/`).
"""
