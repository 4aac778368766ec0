"""What a detector costs: the time of a scan of an ordinary log by it alone."""

from __future__ import annotations

import time
from functools import lru_cache

from l7gw.masking.detectors.detector import Detector
from l7gw.masking.detectors.scanner import Scanner

SIZE = 256 * 1024  # bytes of the log; more would not lie in the processor's caches, as what a gateway has just read does
ROUNDS = 20  # the quickest counts: the others waited for something


def measured(detector: Detector) -> float:
    """Nanoseconds for each byte, of this machine now."""
    scanner = Scanner([detector])
    text = log()
    scanner.scan(text)
    best = min(_once(scanner, text) for _ in range(ROUNDS))
    return best / len(text)


def _once(scanner: Scanner, text: bytes) -> int:
    began = time.perf_counter_ns()
    scanner.scan(text)
    return time.perf_counter_ns() - began


@lru_cache(maxsize=1)
def log(size: int = SIZE) -> bytes:
    """Lines as controllers, web servers and programs with JSON logs write them; no line is like another, and none has a secret."""
    made = bytearray()
    number = 0
    while len(made) < size:
        number += 7919
        name, micros = f"web-{number % 9973:04x}-{number % 7:05d}", f"{number % 999983:06d}"
        made += (
            f'I1127 18:{number % 60:02d}:36.{micros}       1 controller.go:{number % 997}] "Syncing" pod="team-a/{name}" '
            f'uid="9f6f3c4e-1b1c-4e1e-8f0a-{number % 281474976710597:012x}" replicas={number % 9}\n'
            f'10.0.{number % 255}.17 - - [27/Nov/2026:18:04:{number % 60:02d} +0000] "GET /api/v1/namespaces/team-a/pods/{name} '
            f'HTTP/1.1" 200 {number % 65521} "-" "kubectl/v1.34.0 (linux/amd64) kubernetes/ab12cd3"\n'
            f'{{"time":"2026-11-27T18:04:36.{micros}Z","level":"INFO","msg":"handled request","path":"/orders/{number}",'
            f'"status":200,"took_ms":{number % 101},"trace":"{number * 2654435761 % 2**64:016x}"}}\n'
        ).encode()
    return bytes(made[:size])
