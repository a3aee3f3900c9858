"""Commands about scores of leads, and where leads came from.

Belongs here: scoring, explaining, filling the page. Not here: what makes a model.
"""
