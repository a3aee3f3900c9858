"""Where histories come from and are kept."""
