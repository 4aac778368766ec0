"""Typed configuration. Guarantees: an unknown key, a wrong type or a bound exceeded is told with file and line, all at once."""
