"""Where histories come from and are kept.

Belongs here: the contract, what a text means (times, ids, numbers), and the rooms that read, keep and simulate
events. Not here: what a model may know of them (`features/`), and the server's own store (`serving/store/`).
"""
