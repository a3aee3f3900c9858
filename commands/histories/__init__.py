"""Commands from an export to a training set.

Belongs here: what brings histories in, looks at them, and builds on them. Not here: models, the serving store.
"""
