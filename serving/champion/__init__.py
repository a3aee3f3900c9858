"""The model in place: found, copied, tried, swapped.

Belongs here: the life of the served model. Not here: scoring with it.
"""
