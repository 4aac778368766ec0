"""How much the gateway holds for others, in memory and on the disk. Handed to the worker and the recorder.

What a protocol or Kubernetes bounds is a constant beside the code that reads it, and so is what one module needs for itself.
"""

from __future__ import annotations

from dataclasses import dataclass

KIB = 1024
MIB = 1024 * KIB


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Sizes in bytes, the others by number."""

    # of who asks
    proven_credentials: int = 4096  # that are remembered; beyond them the oldest is proven again
    proven_size: int = 16 * MIB  # of them; real tokens take 1 to 2 KiB, one of 1,000 groups 12 and what is made of it 60
    junk_tokens: int = 512  # of one issuer, whose signature is wrong; at most 16 KiB each, so 8 MiB (threats F14)
    calls_waiting_for_keys: int = 1024  # for one fetch; those beyond are refused at once

    # of what is recorded
    session_unwritten: int = 4 * MIB  # that may wait for the disk before the session's calls are slowed (threats H11)
    unwritten: int = 256 * MIB  # of all sessions; beyond it new calls are refused (threats H11)
    segment: int = 128 * MIB  # a new segment is begun beyond it; walking the headers of one takes 0.5 s at worst
    runs_known: int = 1000  # of a session; an older one that comes back is told anew, so that memory has a bound
    attempts_a_second: int = 10  # calls without a principal that are recorded, of a cluster
    attempts_a_day: int = 64 * MIB  # of such calls, of a cluster


USUAL_LIMITS = Limits()
