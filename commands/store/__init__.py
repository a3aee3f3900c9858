"""Commands about the serving store: its tables, who may use it, what it keeps and for how long.

Belongs here: keys, accounts, migrations, backups, the trail. Not here: the server.
"""
