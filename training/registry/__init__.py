"""Writing an artifact and registering it in MLflow.

Belongs here: files of an artifact, versions, aliases. MLflow is touched nowhere else on this side.
"""
