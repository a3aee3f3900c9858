"""A backup of store and workspace, taken while both are in use, and what is made of it elsewhere.

Belongs here: how what others write to is copied as of one moment, and put back. Not here: what a table or file means.
"""
