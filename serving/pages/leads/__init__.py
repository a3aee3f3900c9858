"""Pages about leads: the list, one lead, what people decide about it.

Belongs here: pages under /leads. Not here: files to download (`serving/pages/exports/`).
"""
