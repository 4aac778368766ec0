"""Typed configuration. Guarantees: each unknown key, wrong type and exceeded bound is reported with file and line, all at once."""
