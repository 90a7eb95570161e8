"""Gauges: what platforms say of a room in figures of their own, with source and age, never mixed with ours."""
