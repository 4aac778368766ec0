"""Placeholders that a caller writes back: restored in the same field of the same object, or refused."""
