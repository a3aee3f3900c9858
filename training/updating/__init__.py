"""A new version from the same boosters: recalibrated, or with another threshold.

Belongs here: what changes a registered model without training. Not here: training (`training/recipe/`).
"""
