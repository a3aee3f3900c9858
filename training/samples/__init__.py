"""Rows to learn from: samples, folds, log-odds, shifts between samples.

Belongs here: what every kind of model needs of its rows. Not here: how they were made (`features/`).
"""
