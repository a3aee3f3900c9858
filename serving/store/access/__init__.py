"""Who may ask, and who is locked out: keys, accounts, sessions, and answers kept for repeated requests.

Belongs here: rows about callers. Not here: reading a request (`serving/http/`).
"""
