"""The calls of a day without a principal are told by where they came from, and strangers cannot make that long."""

from __future__ import annotations

from pathlib import Path

from l7gw.clock import moment
from l7gw.limits import Limits
from l7gw.recording.events import VerdictRecorded
from l7gw.recording.failed_logins import MOST, FailedLogins
from l7gw.recording.recorder import Recorder
from l7gw.recording.session_list import summaries
from tests.support.journals import ANN, call, recorded


def failed(state: Path, verdicts: list[str], *, a_second: int = 10_000) -> FailedLogins:
    """What is said of a journal in which so many attempts were refused for these reasons."""

    def fill(recorder: Recorder) -> None:
        call(recorder.session(ANN, "prod"), "/api").end("complete")
        for reason in verdicts:
            attempt = recorder.attempts("prod").begin()
            attempt.verdict("refused", reason=reason)
            attempt.response(401, ())
            attempt.end("refused")
        recorder.attempts("prod").tell_dropped()

    recorded(state, fill, limits=Limits(attempts_a_second=a_second, attempts_a_day=2**30))
    of_nobody, of_ann = summaries(state)
    assert of_ann.failed_logins() is None and of_ann.document(all_runs=False)["failed_logins"] is None
    found = of_nobody.failed_logins()
    assert found is not None
    return found


def test_each_address_and_reason_is_counted_the_most_frequent_first(tmp_path: Path) -> None:
    found = failed(tmp_path, ["from ::1: no: a b", "from 10.0.0.7: no\nat all", "from ::1: no: a b", "odd words", "from ::1: late"])
    document = found.document()
    assert [(one["address"], one["reason"], one["count"]) for one in document["by"]] == [
        ("::1", "no: a b", 2), ("10.0.0.7", "no\nat all", 1), ("", "odd words", 1), ("::1", "late", 1),
    ]  # fmt: skip
    assert list(document) == ["addresses", "by", "others", "unrecorded", "whole"] and list(document["by"][0]) == [
        "address", "reason", "count", "first", "last",
    ]  # fmt: skip
    assert document["by"][0]["first"] == moment(found.by[0].first) and found.by[0].first <= found.by[0].last
    assert (document["addresses"], document["others"], document["unrecorded"]) == (2, 0, 0)
    assert str(found) == "failed log-ins (2 addresses)"


def test_one_address_is_no_plural(tmp_path: Path) -> None:
    assert str(failed(tmp_path, ["from 10.0.0.7: no"])) == "failed log-ins (1 address)"


def test_where_not_all_blocks_were_read_there_may_be_more_addresses() -> None:
    part = FailedLogins([[VerdictRecorded(1, 1, "", "refused", "from 10.0.0.7: no")]], whole=False)
    assert str(part) == "failed log-ins (1 or more addresses)" and part.document()["whole"] is False


def test_what_strangers_choose_is_kept_a_thousand_times_and_counted_then(tmp_path: Path) -> None:
    found = failed(tmp_path, [f"from 10.0.{number >> 8}.{number & 255}: no" for number in range(MOST + 7)])
    assert (len(found.by), found.others, found.addresses) == (MOST, 7, MOST)
    assert str(found) == f"failed log-ins ({MOST} or more addresses)"


def test_attempts_that_went_unrecorded_are_counted(tmp_path: Path) -> None:
    found = failed(tmp_path, ["from 10.0.0.7: no"] * 100, a_second=3)
    recorded_ones = sum(one.count for one in found.by)
    assert 3 <= recorded_ones < 100 and found.unrecorded == 100 - recorded_ones
