"""What became of the scores that were given.

Belongs here: matured cohorts, tests of level, slope and promises. Not here: the state of the server
(`serving/telemetry/`).
"""
