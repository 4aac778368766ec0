"""A record counts what the access log says of its call, whether it keeps anything or not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from l7gw.recording.call_record import UNREAD, CallRecord, Silent
from l7gw.recording.recorder import Recorder
from tests.support.journals import ANN
from tests.support.manual_clock import ManualClock

MAKES: dict[str, Callable[[Recorder], CallRecord]] = {
    "all": lambda recorder: recorder.session(ANN, "prod").begin(run_id="r", client="c", command=""),
    "metadata": lambda recorder: recorder.session(ANN, "prod").begin(run_id="r", client="c", command="", content=False),
    "none": lambda recorder: Silent(recorder.session(ANN, "prod"), "r"),
}


@pytest.mark.parametrize("make", MAKES.values(), ids=MAKES)
def test_a_record_counts_bytes_and_keeps_the_last_verdict_on_the_call_itself(
    make: Callable[[Recorder], CallRecord], tmp_path: Path
) -> None:
    async def run() -> None:
        recorder = Recorder(tmp_path, clock=ManualClock(), reserve=0, loop=asyncio.get_running_loop())
        recorder.open()
        record = make(recorder)
        assert (record.act, record.said, record.rule, record.status, record.up, record.down) == (UNREAD, "", "", 0, 0, 0)
        record.verdict("allow", rule="first", reason="")
        record.request_body(b"12345")
        record.response(101, ())
        record.response_body(b"123")
        record.frame("stdin", up=True, stream=0, data=b"1234567")
        record.frame("stdout", up=False, stream=1, data=b"12")
        record.verdict("deny", rule="of a port", reason="", of_port=True)
        record.verdict("deny", rule="of the gateway's own question", reason="", own=True)
        assert (record.said, record.rule) == ("allow", "first")
        record.verdict("hold", rule="second", reason="")
        assert (record.said, record.rule, record.status, record.up, record.down) == ("hold", "second", 101, 12, 5)
        assert record.run_id == "r"
        record.end("complete")
        recorder.close()

    asyncio.run(run())
