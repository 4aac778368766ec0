"""The masks of what goes to the client: bodies of answers, packed or not, and streams."""
