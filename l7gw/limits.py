"""How much the gateway holds for others, in memory and on the disk. The worker and the recorder are handed these limits.

A bound of a protocol or of Kubernetes is a constant beside the code that reads the bytes; so is a bound that one module needs.
"""

from __future__ import annotations

from dataclasses import dataclass

KIB = 1024
MIB = 1024 * KIB


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The sizes are in bytes, the other limits are numbers."""

    # identity
    proven_credentials: int = 4096  # remembered credentials; beyond it the oldest is forgotten, and must be proven again
    proven_size: int = 16 * MIB  # remembered credentials; real tokens have 1 to 2 KiB, one of 1,000 groups 12 and its principal 60
    junk_tokens: int = 512  # remembered tokens with a wrong signature, of one issuer; 16 KiB at most each, so 8 MiB (threats F14)
    calls_waiting_for_keys: int = 1024  # calls that wait for one fetch of keys; further calls are refused at once

    # the data path
    remembered: int = 32 * KIB  # heads that one connection remembers, each with 512 for its meaning; 0: nothing is remembered

    # recording
    session_unwritten: int = 4 * MIB  # a session's records that wait for the disk; beyond it its calls are slowed (threats H11)
    unwritten: int = 256 * MIB  # records of all sessions that wait for the disk; beyond it new calls are refused (threats H11)
    segment: int = 128 * MIB  # a file of a journal; beyond it a new one begins; reading the headers of one takes 0.5 s at worst
    runs_known: int = 1000  # remembered runs of a session; an older run that comes back is recorded anew
    attempts_a_second: int = 10  # calls without a principal that are recorded, of one cluster
    attempts_a_day: int = 64 * MIB  # records of such calls, of one cluster


USUAL_LIMITS = Limits()
