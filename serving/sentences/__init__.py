"""What can be said of a lead and of a topic, and in which words: deeds, silences, profiles, days as people say them.

Belongs here: what a sentence says and how. Not here: which topics move a score (`serving/scoring/`), and pages.
"""
