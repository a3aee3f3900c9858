"""What a model may know of a lead at a moment.

Belongs here: definitions, the one kernel, moments and labels, the training set. Not here: how rows are kept
(`data/log/`), and what is learnt from them (`training/`).
"""
