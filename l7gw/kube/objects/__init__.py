"""Kubernetes objects as they travel: one way to read and edit them, in JSON and in protobuf.

Guarantees: bytes that nobody edited stay as they came; what cannot be read in one way is `Unreadable`. May import `wire` and the
shared ground. Pure.
"""
