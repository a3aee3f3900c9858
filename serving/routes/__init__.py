"""What can be asked of the server, one noun per file."""
