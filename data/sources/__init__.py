"""Reading what others export: files, databases, mappings.

Belongs here: whatever turns bytes of a stranger into named columns of text. Not here: what is accepted and kept
(`data/log/`).
"""
