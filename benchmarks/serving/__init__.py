"""Ratios of what serves: scores, pages, lists, the store."""
