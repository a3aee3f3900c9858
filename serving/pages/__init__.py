"""Pages for people: rendered on the server, complete without scripts.

Belongs here: the pages that are about all leads, and the list of all pages. Lists, one lead and files stand in rooms
of their own.
"""
