"""From scores to probabilities: calibrators and the intercept that follows new labels.

Belongs here: maps in log-odds and how they are fitted. Not here: when a registered model gets one
(`training/updating/`).
"""
