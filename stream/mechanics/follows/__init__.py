"""Follows: people begin to follow the host, or stop."""
