"""Works that block run in threads, and are answered on the loop."""

from __future__ import annotations

import asyncio
import threading

from l7gw.cluster.credentials.threads import Threads


def test_works_run_beside_the_loop_and_are_answered_on_it() -> None:
    async def run() -> None:
        threads, here = Threads("test", most=3), threading.current_thread()
        together = threading.Barrier(3)
        found: asyncio.Queue[tuple[threading.Thread, threading.Thread]] = asyncio.Queue()

        def work() -> threading.Thread:
            together.wait(30)
            return threading.current_thread()

        for _ in range(6):  # three at a time
            threads.run(work, lambda there: found.put_nowait((there, threading.current_thread())))
        answers = [await asyncio.wait_for(found.get(), 30) for _ in range(6)]
        assert {told for _, told in answers} == {here} and here not in {there for there, _ in answers}
        assert len({there for there, _ in answers}) == 3 and all(there.daemon for there, _ in answers)
        threads.close()
        for there, _ in answers:
            there.join(30)
            assert not there.is_alive()

    asyncio.run(run())


def test_a_work_whose_loop_is_closed_ends_in_silence() -> None:
    threads, begun, let = Threads("test"), threading.Event(), threading.Event()
    serving: list[threading.Thread] = []

    async def run() -> None:
        def work() -> None:
            serving.append(threading.current_thread())
            begun.set()
            let.wait(30)

        threads.run(work, lambda _: None)

    asyncio.run(run())
    assert begun.wait(30)
    let.set()
    threads.close()
    serving[0].join(30)
    assert not serving[0].is_alive()
