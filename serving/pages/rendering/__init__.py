"""What every page uses: context, templates, texts, numbers, drawing, links.

Belongs here: how something is shown. Not here: what a certain page shows.
"""
