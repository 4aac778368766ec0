"""The broker as one configuration of a cluster asks it, until a reload puts another cluster in its place.

The broker knows clusters by their names. A call that was held over a reload still goes to the cluster that it was judged for. Of
another one that has the name now it gets neither address nor token: those are for that cluster alone (threats F9).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from l7gw.cluster.credentials.brokered import Tokens
from l7gw.cluster.credentials.messages import DescribeWanted, Failed, Token, TokenWanted


class Broker(Tokens, Protocol):
    """What the data path asks of the broker of AWS (`broker.py`)."""

    def ask(self, wanted: TokenWanted | DescribeWanted, then: Callable[..., None]) -> None:
        """Call `then` on the loop with what is wanted: Token or Described, or Failed."""


class LeasedBroker:
    """The broker, until `end`."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._ended = False

    def end(self) -> None:
        """The cluster's name is another cluster's from now on, or its role another one."""
        self._ended = True

    def ask(self, wanted: TokenWanted | DescribeWanted, then: Callable[..., None]) -> None:
        if self._ended:
            words = f"cluster {wanted.cluster} is another one since a reload of the configuration, or has another role"
            then(Failed(503, "ServiceUnavailable", f"{words}; nothing was changed; run the command again"))
        else:
            self._broker.ask(wanted, then)

    def at_hand(self, wanted: TokenWanted) -> Token | None:
        return None if self._ended else self._broker.at_hand(wanted)

    def drop(self, wanted: TokenWanted, token: Token) -> None:
        if not self._ended:
            self._broker.drop(wanted, token)
