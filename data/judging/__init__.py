"""What becomes of rows beside what is known: new, a copy, a later version or a conflict, and whose an event is then.

Belongs here: rules over hashes, times and aliases, compiled; of events in `event_versions.py`, of profiles in
`profile_versions.py`. Not here: rows as text, and how they are staged
and written (`data/intake/`).
"""
