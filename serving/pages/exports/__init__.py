"""Files to download: CSV and Excel, with the list's filters.

Belongs here: columns and formats of files. Not here: which leads a list holds (`serving/store/leads/`).
"""
