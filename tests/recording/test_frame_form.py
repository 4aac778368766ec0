"""The events of frames by their form are those that msgspec makes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from l7gw.recording import events as e
from l7gw.recording.frame_form import FrameForm

NUMBERS = st.integers(0, 2**63 - 1) | st.sampled_from([127, 128, 255, 256, 65535, 65536, 2**32 - 1, 2**32])
DATA = st.binary(max_size=40) | st.sampled_from([b"x" * 255, b"x" * 256, b"x" * 65535, b"x" * 65536])
CHANNELS = st.sampled_from(["stdout", "port-8080-error", "message-not-passed", ""]) | st.text(max_size=40)


@given(
    NUMBERS,
    st.integers(-(2**63), 2**63 - 1) | NUMBERS,
    CHANNELS,
    st.booleans(),
    NUMBERS,
    st.lists(DATA, min_size=1, max_size=6),
    st.booleans(),
)
def test_a_forms_events_are_those_that_msgspec_makes(
    exchange: int, time: int, channel: str, up: bool, stream: int, data: list[bytes], final: bool
) -> None:
    form = FrameForm(exchange, channel, up, stream)
    events = [
        e.encode(e.Frame(time, exchange, channel=channel, up=up, stream=stream, data=one, final=final and number == len(data)))
        for number, one in enumerate(data, 1)
    ]
    assert b"".join(form.all(time, data, final=final)) == b"".join(events)
