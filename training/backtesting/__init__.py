"""What a recipe would have been worth at past dates: rolling origins.

Belongs here: backtests, contenders and their aggregates. Not here: pages about them (`training/report/`).
"""
