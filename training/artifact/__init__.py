"""What an artifact contains and how it scores without this repository.

Belongs here: code that travels inside an artifact. Not here: writing and registering one (`training/registry/`).
"""
