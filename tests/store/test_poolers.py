"""A pooler of transactions is noticed, in whichever order it gives out its connections; the server itself is none."""

from __future__ import annotations

import pytest

from l7gw.clock import SystemClock
from l7gw.store.poolers import check_sessions
from l7gw.store.server import Server
from tests.support.postgres import Postgres
from tests.support.transaction_pooler import TransactionPooler


@pytest.mark.parametrize("newest_first", [True, False], ids=["newest first", "oldest first"])
@pytest.mark.parametrize("size", [1, 2, 3])
def test_a_pooler_of_transactions_is_refused_and_told(size: int, newest_first: bool, postgres: Postgres) -> None:
    with TransactionPooler(postgres, size, newest_first=newest_first) as pooler:
        server = Server(postgres.keywords(port=pooler.port), SystemClock())
        with pytest.raises(OSError, match=r"a pooler of transactions stands before the database.*\n  hint: .*pool_mode = session"):
            server.prepare()


def test_the_server_itself_is_taken(postgres: Postgres) -> None:
    check_sessions(Server(postgres.keywords(), SystemClock()).listening)
