"""Who must not come back, and how a lead leaves files that are no event log.

Belongs here: the ledger that every door asks, and the cleaning of each form of file, without knowing whose file it is.
Not here: which places there are (`serving/store/privacy/places.py`), how a lead leaves the log (`data/log/removal.py`).
"""
