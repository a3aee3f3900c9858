"""What can be asked of the server, one noun per file.

Belongs here: routes of the API. Not here: pages for people (`serving/pages/`).
"""
