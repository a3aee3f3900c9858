"""Connections, migrations, shared commits, secrets, summaries.

Belongs here: what every table needs. Not here: the meaning of any one table.
"""
