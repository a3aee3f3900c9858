"""Classifiers with the scikit-learn interface, and the baselines beside them.

Belongs here: what has `fit` and `predict_proba`. Not here: which of them is chosen (`training/recipe/`).
"""
