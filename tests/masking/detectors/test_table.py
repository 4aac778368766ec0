"""Every detector against its samples: found whole, in JSON, in YAML, in a URL, and wherever a piece of a stream ends."""

from __future__ import annotations

import json
import re
from urllib.parse import quote

import pytest
import yaml

from l7gw.masking.detectors.long_scan import LongScan
from l7gw.masking.detectors.scanner import Scanner, Scanners, Span
from l7gw.masking.detectors.table import BUILT_IN
from l7gw.masking.placeholder import LONGEST_DETECTOR, Tagger
from l7gw.obligations import EVERYTHING, STRUCTURAL
from tests.support.cited_sources import ROOT
from tests.support.credential_samples import Sample, samples

TRUE, FALSE = samples(true=True), samples(true=False)
SCANNERS = Scanners(BUILT_IN)
ALL = SCANNERS.with_(frozenset({EVERYTHING}))
BY_NAME = {detector.name: detector for detector in BUILT_IN}
LATE = {"azure-key": 24}  # bytes of a text in which a stream does not wait for the mark at the end (docs/masking.md)
each = pytest.mark.parametrize("sample", TRUE, ids=lambda sample: sample.name)


def found(scanner: Scanner, text: bytes, detector: str, *, sent: bool = False) -> list[bytes]:
    return [text[span.start : span.end] for span in scanner.scan(text, sent=sent) if span.detector == detector]


def values(sample: Sample) -> list[bytes]:
    return [sample.text[start:end] for start, end in sample.values]


def test_every_detector_has_true_and_false_samples_and_says_what_people_need() -> None:
    assert {sample.detector for sample in TRUE} == {sample.detector for sample in FALSE} == BY_NAME.keys()
    for detector in BUILT_IN:
        assert re.fullmatch(rf"[a-z0-9-]{{1,{LONGEST_DETECTOR}}}", detector.name) and detector.name not in STRUCTURAL
        assert detector.finds and detector.anchor and detector.reason.endswith(".") and detector.ns_per_byte > 0
    assert len(BY_NAME) == len(BUILT_IN)


@each
def test_a_value_is_found_and_nothing_around_it(sample: Sample) -> None:
    assert found(ALL, sample.text, sample.detector) == values(sample)
    assert ALL.may_hold(sample.text)


@pytest.mark.parametrize("sample", FALSE, ids=lambda sample: sample.name)
def test_what_only_looks_like_a_value_is_not_found(sample: Sample) -> None:
    assert found(ALL, sample.text, sample.detector) == []


@each
def test_in_what_a_caller_sent_only_fixed_shapes_are_found(sample: Sample) -> None:
    wanted = values(sample) if BY_NAME[sample.detector].fixed else []
    got = found(ALL, sample.text, sample.detector, sent=True)
    assert got == wanted or (BY_NAME[sample.detector].keeps_sent is not None and set(got) <= set(wanted))


@each
def test_a_value_is_found_in_a_json_text_and_noticed_in_it(sample: Sample) -> None:
    text = json.dumps({"log": "x\n" + sample.text.decode()}).encode()
    assert ALL.may_hold(text)
    escaped = [json.dumps(value.decode())[1:-1].encode() for value in values(sample)]
    if not any(b"\\" in value for value in escaped):
        assert found(ALL, text, sample.detector) == escaped


@each
def test_a_value_is_found_in_yaml_in_a_block(sample: Sample) -> None:
    text = yaml.safe_dump({"data": {"file": sample.text.decode()}}, default_style="|", width=10_000).encode()
    if text.count(b"\n") == 3 + sample.text.count(b"\n") and b"\n" not in b"".join(values(sample)):
        assert found(ALL, text, sample.detector) == values(sample)
    else:
        assert found(ALL, text, sample.detector)


@pytest.mark.parametrize("sample", [one for one in TRUE if BY_NAME[one.detector].fixed], ids=lambda sample: sample.name)
def test_a_value_of_a_fixed_shape_is_found_in_a_url(sample: Sample) -> None:
    for value in values(sample):
        if (
            quote(value, safe="") == value.decode() and sample.detector != "slack-token"
        ):  # its value may be the path of a URL itself
            text = b"GET /search?q=" + value + b"&page=2 HTTP/1.1"
            assert found(ALL, text, sample.detector) == [value]


@each
def test_a_value_is_found_wherever_a_piece_of_the_text_ends(sample: Sample) -> None:
    whole = ALL.scan(sample.text)
    step = 1 + len(sample.text) // 60
    for at in range(LATE.get(sample.detector, 0), len(sample.text), step):
        scan = LongScan(ALL)
        got: list[Span] = [*scan.feed(sample.text[:at]), *scan.feed(sample.text[at:]), *scan.end()]
        assert got == whole, sample.text[:at][-40:]


@each
def test_a_placeholder_in_its_place_is_not_found_again(sample: Sample) -> None:
    text = sample.text
    for span in reversed(ALL.scan(text)):
        placeholder = Tagger(bytes(32), "c", "n").placeholder(span.detector, text[span.start : span.end]).encode()
        text = text[: span.start] + placeholder + text[span.end :]
    assert ALL.scan(text) == []


def test_the_page_lists_the_detectors_as_they_are() -> None:
    page = (ROOT / "docs" / "masking.md").read_text()
    rows = page.split("\n| detector | finds |")[1].split("\n\n")[0].splitlines()[2:]
    assert rows == [
        f"| `{one.name}` | {one.finds} | {one.anchor} | {one.reason} | {one.ns_per_byte:.2f} | {'yes' if one.fixed else 'no'} |"
        for one in BUILT_IN
    ]
