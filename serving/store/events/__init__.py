"""Events that services send: checked, kept, rejected, read as histories, exported to the log.

Belongs here: rows of one event. Not here: profiles and lists of leads (`serving/store/leads/`).
"""
