"""Votes: the host asks the room, and people choose among options."""
