"""Gifts: people send them to the host, one at a time or as a combo that counts up."""
