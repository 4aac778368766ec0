"""JSON from outside has one reading. Each place of the package that reads JSON stands in a
table; a place that is not there fails."""

from __future__ import annotations

import ast
import json
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from l7gw import plainjson

PACKAGE = Path(__file__).parent.parent / "l7gw"

# Each place that reads JSON, and why two readers cannot read it differently
READ = {
    "plainjson._slowly": "the strict reader itself: identity's tokens, discovery documents, key sets and answers of STS go through it",
    "plainjson._decode": "the strict reader itself, its quick way: bodies of requests",
    "kube/objects/json_nodes._object": "one level of an object: a member that stands twice is refused there",
    "kube/objects/json_nodes._list": "one level of an object",
    "kube/objects/json_nodes._value": "one number or boolean",
    "kube/objects/json_nodes._text": "one text",
    "kube/objects/json_splits._object": "the beginning of a list, for its kind; with the list's end it is read as one level of an object",
    "kube/objects/json_splits._list": "the items of a list: each goes to json_nodes",
    "kube/objects/json_splits._any": "an event of a watch, for where it ends: it goes to json_nodes",
    "kube/objects/json_splits._text": "the kind of a list",
    "kube/objects/protobuf_table._file": "a file of the package's own",
    "masking/coming_back/coming_back._with_member": "a body that was read strictly before, to add a member",
    "masking/coming_back/json_patch._operations": "a body that is read strictly too: whether it is refused; no more than that hangs on it",
    "masking/objects/statuses._JSON": "JSON that a failure quotes: what of it is masked, in the cluster's own words",
    "masking/registry/text_views._decode": "one escape of a text",
    "gateway/side_calls.refusal": "the message of the cluster's Status, for the words of a refusal",
    "gateway/hold_views.in_words": "the same, for a reviewer",
    "gateway/hold_views._readable": "a body that no dry run is made of, for a reviewer: it was read strictly before",
    "gateway/hold_views._difference": "the cluster's own answers to a reading and a dry run",
    "gateway/hold_views.normal": "the same: `_difference` holds it",
    "gateway/hold_views.uid_of": "the uid in a cluster's own answer",
    "gateway/results._reason": "the reason of the cluster's Status: which of three words it is",
    "gateway/hold_views.told": "a cluster's own objects and lists, for a reviewer",
    "kube/role_bindings.listed": "a cluster's own list of bindings; what is removed by it has the gateway's label",
    "kube/dry_runs.stores": "a cluster's own APIService; what cannot be read counts as served elsewhere",
    "approval/grant_rows._asked": "what this program wrote into its database",
    "approval/grant_rows._view": "what this program wrote into its database",
    "approval/rows._asked": "what this program wrote into its database",
    "approval/rows._view": "what this program wrote into its database",
    "approval/reviewing._view": "what this program wrote into its database",
    "approval/budgets._decode": "what this program wrote into its database",
    "recording/export._unpacked": "what this program recorded",
    "recording/audit_log._decode": "a cluster's audit log: who can write it may as well leave lines out",
    "recording/audit_log._decoded": "the text of a line that CloudWatch has",
    "cli/config._read_mistakes": "a file of the package's own",
    "cli/rbac/options._of_token": "the gateway's own token: whom it names is shown in what is printed, and read by whoever applies it",
    "cli/holds.watch": "what the gateway itself says",
    "policy/kubectl/writing.patch": "a patch in a test of a policy, by whoever writes the policy",
    "login/exec_credential.read": "what kubectl says to the program that it calls itself",
    "login/kept.read": "what this program wrote into a file that is its owner's alone",
    "hooking/plain_values._decode": "one value, for a hook's own copy",
    "kube/terminal_sizes._size": "a terminal's size: each side once, in whatever letters (`_sides`), and what goes up is written anew",
    "kube/channels.words_of": "a Status that this gateway wrote itself",
    "kube/streams._is_status": "asks of the cluster's bytes only whether they are a Status at all; they pass as they are",
    "kube/forbidden.also_saying": "a cluster's 403, to which words are added: it goes on as a 403, and its message is made visible",
    "kube/forbidden._decoded": "a cluster's 403, for the words in which it is told: whichever member counts, the call stays refused",
    "recording/execs.exit_status": "a recorded status, of which a title tells the number; what passed is judged by nobody",
    "recording/execs.sizes": "a recorded resize, for the size of a replay; what passed names each side once",
    "demo/calls.document": "the demo's own cluster",
    "demo/held.begin": "the demo reads what this program says of its holds",
    "demo/pods._feed": "the demo's own cluster",
    "demo/tour.edit": "the demo edits an object as a client would",
    "demo/tour._kubectl": "the demo reads what kubectl says of its version",
    "demo/tour._replay": "the demo reads what this program wrote",
}
READS = ("json.loads", "json.load", "json.JSONDecoder", "msgspec.json.decode", "msgspec.json.Decoder")


def _readers() -> Iterator[str]:
    """`room/module.function` or `room/module.NAME` for each call of a function in READS, in a function or for a name of the module."""
    for path in sorted(PACKAGE.rglob("*.py")):
        module = str(path.relative_to(PACKAGE).with_suffix(""))
        text = path.read_text()
        for scope in ast.walk(ast.parse(text)) if "json" in text else ():
            if isinstance(scope, ast.FunctionDef | ast.AsyncFunctionDef):
                name = scope.name
            elif isinstance(scope, ast.Assign) and isinstance(scope.targets[0], ast.Name) and scope.targets[0].id.startswith("_"):
                name = scope.targets[0].id
            else:
                continue
            for node in ast.walk(scope):
                if isinstance(node, ast.Call) and ast.unparse(node.func) in READS:
                    yield f"{module}.{name}"


def test_every_place_that_reads_json_is_known() -> None:
    assert set(_readers()) == set(READ)


@pytest.mark.parametrize(
    "text, said",
    [
        (b'{"a": 1, "a": 1}', "a member of it stands twice"),
        (b'{"a": 1, "\\u0061": 2}', "a member of it stands twice"),
        (b'{"x": [{"a": {"b": 1, "b": 2}}]}', "a member of it stands twice"),
        (b'{"a": NaN}', "it is no JSON"),
        (b'{"a": -Infinity}', "it is no JSON"),
        (b'{"a": 1e999}', "it is no JSON"),
        (b'{"a": ' + b"9" * 5000 + b"}", "it is no JSON"),
        (b'{"a": "\n"}', "it is no JSON"),
        (b"[" * 100_000, "it is no JSON"),
        (b'{"a":' * 100_000, "it is no JSON"),
        (b'{"a": 1' + b"0" * 309 + b"}", "it is no JSON"),
        (b'{"a\\u003A": 1, "b": {"a:": 1, "a\\u003a": 2}}', "a member of it stands twice"),
        (b"\xef\xbb\xbf{}", "it is no JSON"),
        (b"{}{}", "it is no JSON"),
        (b"", "it is no JSON"),
        ("{}".encode("utf-16"), "it is no UTF-8"),
        (b'{"a": "\xff"}', "it is no UTF-8"),
        (b"[]", "it is no JSON object"),
        (b'"a"', "it is no JSON object"),
        (b"null", "it is no JSON object"),
    ],
)
def test_json_with_two_readings_or_none_is_refused_in_words_of_ours(text: bytes, said: str) -> None:
    with pytest.raises(ValueError) as refused:
        plainjson.read_object(text)
    assert str(refused.value) == said


@pytest.mark.parametrize(
    "text, said",
    [
        (b'{"a": 1, "\\u0061": 2}', "a member of it stands twice"),
        (b'{"a\\u003A": 1, "b": {"a:": 1, "a\\u003a": 2}}', "a member of it stands twice"),
        (b"[" * 100_000, "it is nested deeper than 100 levels"),
        (b'{"a":' * 100_000, "it is nested deeper than 100 levels"),
        (b'{"a": ' + b"[" * 100 + b"]" * 100 + b"}", "it is nested deeper than 100 levels"),
        (b"[" + b"{}," * 249_999 + b"[]]", "it has more than 250000 lists and objects"),
        (b'{"a": 1' + b"0" * 309 + b"}", "it is no JSON"),
        (b'{"a": ' + b"9" * 5000 + b"}", "it is no JSON"),
        (b'{"a": "\\ud800"}', "it is no JSON"),
        (b'{"a": NaN}', "it is no JSON"),
        (b'{"a": 1e999}', "it is no JSON"),
        (b"{}{}", "it is no JSON"),
        (b"\xef\xbb\xbf{}", "it is no JSON"),
        (b'{"a": "\xff"}', "it is no UTF-8"),
    ],
)
def test_a_body_is_read_as_strictly_and_no_half_of_a_surrogate_pair_or_deeper_nesting_passes(text: bytes, said: str) -> None:
    with pytest.raises(ValueError) as refused:
        plainjson.read(text)
    assert str(refused.value) == said


@pytest.mark.parametrize(
    "number",
    ["1" + "0" * 308, "-1" + "0" * 308, "0." + "1" * 400, "1e-" + "0" * 400 + "1", "1E+" + "0" * 400 + "1", "0e" + "0" * 400],
)
def test_a_long_number_that_a_float_holds_is_read(number: str) -> None:
    assert plainjson.read(f'{{"a": [{number}], "b": "{"9" * 400}", "c": "\\\\\\"{"9" * 400}"}}'.encode())["a"] == [
        json.loads(number)
    ]


@pytest.mark.parametrize("number", ["2" + "0" * 308, "-1" + "0" * 309, "9" * 4000])
def test_a_long_integer_that_no_float_holds_is_refused(number: str) -> None:
    for text in (
        number,
        f"[{number}]",
        f'{{"a":{number}}}',
        f'{{"a":"\\"","b":[1, {number} ]}}',
        f'{{"a":"9e",\n"b":\t{number}\n}}',
    ):
        with pytest.raises(ValueError, match=r"^it is no JSON$"):
            plainjson.read(text.encode())


def test_as_many_lists_and_objects_as_may_be_are_read_and_brackets_in_texts_are_none() -> None:
    assert len(plainjson.read(b"[" + b"{}," * 249_998 + b"[]]")) == 249_999
    assert plainjson.read(json.dumps(["[{" * 300_000]).encode())


@pytest.mark.parametrize(
    ("text", "depth"),
    [
        (b"1", 0),
        (b"[]", 1),
        (b'{"a":[{}]}', 3),
        (b'["[[{{", "\\"[", "\\\\", "[", {}]', 2),
        (b'["a,b", ":", "[", "]]", [["x"]], ""]', 3),
        (b"[" * 90 + b"{}" + b",[]]" * 90, 91),
    ],
)
def test_depth_counts_lists_and_objects_and_no_brackets_in_texts(text: bytes, depth: int) -> None:
    assert plainjson.depth_of(text) == depth


_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=3), _json, max_size=4))
def test_an_object_with_one_reading_is_read_as_it_was_written(value: dict[str, object]) -> None:
    text = json.dumps(value).encode()
    assert plainjson.read_object(text) == plainjson.read(text) == value
    assert plainjson.depth_of(text) == _depth(value)


def _depth(value: object) -> int:
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inside is None else 1 + max(map(_depth, inside), default=0)


@given(st.dictionaries(st.text(max_size=2), _json, max_size=3), st.text(max_size=2), st.text(max_size=2))
def test_a_member_that_stands_twice_is_refused_however_it_is_written(value: dict[str, object], name: str, held: str) -> None:
    inner = json.dumps({**value, name: held})
    escaped = "".join(f"\\u{unit:04x}" for (unit,) in struct.iter_unpack(">H", name.encode("utf-16-be")))
    written = f'{inner[:-1]}, "{escaped}": 1}}'
    with pytest.raises(ValueError, match="stands twice"):
        plainjson.read(f"[{written}]".encode())


@given(st.dictionaries(st.text(alphabet=':a\\\\"u03', max_size=6), st.text(alphabet=':a\\\\"u03A', max_size=8), max_size=4))
def test_colons_in_texts_are_no_members_however_they_are_written(value: dict[str, str]) -> None:
    text = json.dumps(value)
    twice = text[:-1] + (", " if value else "") + '"\\u003a:": 1, "\\u003A\\u003a": "\\\\u003a"}'
    for written in (text, text.replace(": ", " :\t")):
        assert plainjson.read(written.encode()) == value or ": " in "".join([*value, *value.values()])
    with pytest.raises(ValueError, match="stands twice"):
        plainjson.read(twice.encode())


@given(st.binary(max_size=60))
def test_any_bytes_are_an_object_or_a_value_error(data: bytes) -> None:
    try:
        assert isinstance(plainjson.read_object(data), dict)
    except ValueError:
        return
