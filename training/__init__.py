"""From a training set to a registered, calibrated model.

Belongs here: the pipeline that goes through the rooms below. Not here: answering with a model (`serving/`).
"""
