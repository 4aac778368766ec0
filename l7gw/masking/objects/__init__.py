"""The masks of objects: what is secret by its place in an object of a known kind, and what looks like a secret in its texts."""
