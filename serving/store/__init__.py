"""What the server keeps: events, leads, scores, people's decisions.

Belongs here: SQL on SQLite and PostgreSQL. Not here: what a target, a stage or a threshold means (imported from the
left), and HTTP.
"""
