"""The compiled walk through histories: at each moment old events leave, fresh ones enter, columns are read off.

Belongs here: the accumulators, one kind of them a file, and the rules that read columns off them. Not here: what a
feature means (`features/kinds/`), and tables (`features/kernel.py`).

Steps are inlined and do not count references: Numba does so for every array that crosses a call, which cost a fifth
of the time. So nothing is allocated below `walk`. What events count for is listed in rows of equal length, filled up
with rows that nobody reads: a branch that cannot be foreseen costs more than counting in vain.
"""
