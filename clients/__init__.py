"""Clients of the server, each one file to be copied."""
