"""Leads, their profiles, lists and decisions about them.

Belongs here: rows of one lead and ways to find it. Not here: how a page shows it (`serving/pages/`).
"""
