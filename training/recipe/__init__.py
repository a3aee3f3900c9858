"""How one model is made: split, fit, choose, judge on the newest slice.

Belongs here: the steps between a sample and a judged champion. Not here: judging over many past dates
(`training/backtesting/`).
"""
