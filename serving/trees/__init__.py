"""LightGBM's text as arrays: probabilities and contributions without LightGBM.

Belongs here: everything between a matrix row and a calibrated probability. Not here: histories and features.
"""
