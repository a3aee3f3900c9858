"""What becomes of rows beside what is known: new, a copy, a later version or a conflict, and whose an event is then.

Belongs here: rules over hashes, times and aliases, compiled. Not here: rows as text, and how they are staged
and written (`data/intake/`).
"""
