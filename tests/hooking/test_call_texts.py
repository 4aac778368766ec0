"""What a caller says of a call is given to hooks as it is recorded."""

from __future__ import annotations

from l7gw.hooking.call_texts import AsRecorded, AsSent
from tests.support.masked import masker, placeholder

EXEC = "GET /api/v1/namespaces/shop/pods/web-0/exec?command=mysql"


def masked() -> AsRecorded:
    return AsRecorded(masker(EXEC, sender="ann"))


def test_a_value_of_a_fixed_shape_is_masked_within_its_text() -> None:
    assert masked().text("say tok_abcd1234 ö") == f"say {placeholder('test-token', 'tok_abcd1234')} ö"
    assert masked().text("password=hunter2 \ud800") == "password=hunter2 \ud800"


def test_a_password_among_arguments_is_masked_and_the_program_never() -> None:
    assert masked().argv(["mysql", "-phunter2", "-e", "select 1"]) == (
        "mysql",
        f"-p{placeholder('argument', 'hunter2')}",
        "-e",
        "select 1",
    )
    assert masked().argv(["tok_abcd1234", "tok_abcd1234"]) == ("tok_abcd1234", placeholder("test-token", "tok_abcd1234"))


def test_a_raw_hook_gets_what_was_sent() -> None:
    assert AsSent().text("tok_abcd1234") == "tok_abcd1234"
    assert AsSent().argv(["mysql", "-phunter2"]) == ("mysql", "-phunter2")
