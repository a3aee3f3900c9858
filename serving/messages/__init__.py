"""What a request and an answer may hold, and how a refusal reads.

Belongs here: schemas, limits, problems, times in JSON. Not here: doing anything with them.
"""
