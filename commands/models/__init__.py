"""Commands about models: trained, judged, followed, changed.

Belongs here: what makes a version or tells how good one is. Not here: scores of leads.
"""
