"""From a history to a score, its reasons and stage, in batch and one by one.

Belongs here: what an answer says. Not here: how it was asked (`serving/http/`), and where it is kept
(`serving/store/`).
"""
