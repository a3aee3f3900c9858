"""Reports and model cards, offline and in one file each.

Belongs here: pictures, tables and sentences about numbers made elsewhere. Nothing is computed here.
"""
