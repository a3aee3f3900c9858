"""Leads, their profiles, lists, decisions about them, and what sales does with them.

Belongs here: rows of one lead and ways to find it. Not here: how a page shows it (`serving/pages/`).
"""
