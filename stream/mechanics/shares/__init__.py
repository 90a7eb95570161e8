"""Shares: people pass the room on, by some channel or another."""
