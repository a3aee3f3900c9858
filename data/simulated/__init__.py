"""The simulated funnel, and the best possible prediction for it.

Belongs here: leads that are made up, with the truth about them. Nothing else in the program depends on this room but
its command.
"""
