"""Jobs run beside each other, within bounds, and none of them holds up or breaks the others."""

from __future__ import annotations

import threading

import pytest

from l7gw.cli.online.findings import Finding
from l7gw.cli.online.jobs import Job, Report, run


def green(name: str) -> Finding:
    return Finding(name, "green", "fine")


def test_twenty_dead_places_are_waited_for_together() -> None:
    """Each job ends only when all twenty have begun."""
    together = threading.Barrier(20, timeout=30)

    def work(report: Report) -> None:
        together.wait()
        report.tell(green(report.name))

    reports = run([Job(f"c{number}", work) for number in range(20)])
    assert [finding.check for report in reports for finding in report.found] == [f"c{number}" for number in range(20)]


def test_no_more_than_the_bound_run_at_once_and_results_keep_the_order() -> None:
    lock, now, most = threading.Lock(), 0, 0

    def work(report: Report) -> None:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        threading.Event().wait(0.005)
        report.tell(green(report.name))
        with lock:
            now -= 1

    reports = run([Job(f"c{number}", work) for number in range(9)], at_once=3)
    assert most <= 3 and [report.found[0].check for report in reports] == [f"c{number}" for number in range(9)]


@pytest.mark.parametrize("bounds", [{"silent": 0.05}, {"longest": 0.05}])
def test_a_job_that_does_not_end_is_told_with_what_it_was_at_and_holds_up_no_other(bounds: dict[str, float]) -> None:
    forever = threading.Event()
    late: list[Report] = []

    def hang(report: Report) -> None:
        report.tell(green("a: first"))
        report.begun("TLS")
        late.append(report)
        forever.wait(30)

    first, second = run([Job("a", hang), Job("b", lambda report: report.tell(green("b")))], at_once=1, **bounds)
    assert [finding.state for finding in first.found] == ["green", "red"] and second.found == [green("b")]
    assert "at TLS" in first.found[1].text and first.found[1].hint
    late[0].tell(green("a: too late"))
    assert len(first.found) == 2
    forever.set()


def test_a_bug_in_one_job_is_a_red_finding_of_that_job() -> None:
    def broken(report: Report) -> None:
        raise KeyError("x")

    first, second = run([Job("a", broken), Job("b", lambda report: report.tell(green("b")))])
    assert first.found[0].state == "red" and "KeyError" in first.found[0].text and first.found[0].hint
    assert second.found == [green("b")]


def test_a_bug_is_told_without_its_own_text_which_can_hold_a_secret() -> None:
    def broken(report: Report) -> None:
        raise ValueError("Invalid header value b'Bearer s3cret'")

    def away(report: Report) -> None:
        raise OSError("the disk is gone")

    (bug,), (fault,) = (report.found for report in run([Job("bug", broken), Job("fault", away)]))
    assert (bug.state, bug.text) == ("red", "it could not be looked at: ValueError")
    assert fault.text == "it could not be looked at: OSError: the disk is gone"


def test_what_is_being_asked_is_shown() -> None:
    told: list[tuple[int, list[str]]] = []
    go = threading.Event()

    def work(report: Report) -> None:
        report.begun("DNS")
        go.wait(30)

    def shown(over: int, doing: list[str]) -> None:
        told.append((over, doing))
        go.set()

    run([Job("a", work)], shown)
    assert told[0] == (0, ["a: DNS"]) and told[-1] == (1, [])
