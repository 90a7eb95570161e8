"""Snapup: live-commerce signals from Kafka to on-screen overlays via Redis."""
