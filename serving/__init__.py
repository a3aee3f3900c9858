"""Answers in real time.

Belongs here: the application and its start; the rooms below do the work. Nothing to the left imports from here.
"""
