"""Stages and their thresholds: rules, promises, evidence, what they brought.

Belongs here: the stage rule and all that sets a threshold. Not here: how a person changes one (`serving/`), or a new
version of a model with one (`training/updating/`).
"""
