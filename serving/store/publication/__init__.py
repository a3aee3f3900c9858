"""What the event log says now, taken over into the store.

Belongs here: the way from the log to the store. Not here: the way back (`serving/store/events/log_export.py`).
"""
