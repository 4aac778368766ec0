"""Detectors: what a credential looks like, wherever it stands. Each has its anchor, its cost and its reason beside it.

Guarantees: every search is linear in the text; a placeholder is never found. May import what `masking` may.
"""
