"""Starts and ends the work: owns the listening sockets and the signals. One process plays supervisor and worker for now.

May import `gateway` and everything below it.
"""
