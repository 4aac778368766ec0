"""What a rule, or `defaults`, says of masking: `mask`, `reveal` and `on-mask`."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Literal, get_args

import yaml

from l7gw.config.document import Reader, nearest, shown
from l7gw.obligations import EVERYTHING, NO_OBLIGATIONS, STRUCTURAL, Obligations

KEYS = ("mask", "reveal", "on-mask")

OnMask = Literal[
    "go-on",  # a stream in which something was masked goes on
    "end",  # it ends at the first masked value
]

_NAME = re.compile(r"[a-z0-9-]{1,32}")
_OTHERS = "hook-NAME of a hook, a type of Secrets (Opaque, or with a slash) or *"
KNOWN = f"it may be a detector (l7gw masking detectors), {', '.join(STRUCTURAL)}, {_OTHERS}"
_SECRET_TYPES = frozenset(("Opaque",))  # any other type of a Secret has a slash


def obligations(reader: Reader, defaults: Obligations, detectors: Collection[str] | None) -> Obligations:
    """The obligations that a mapping says. What it does not say is as in `defaults`. `detectors` are the names of those that the
    configuration has; None where they are not known. Mistakes are reported."""
    if not any(map(reader.has, KEYS)):
        return defaults
    ends = reader.choice("on-mask", "end" if defaults.ends_on_mask else "go-on", get_args(OnMask))
    return Obligations(
        mask=_names(reader, "mask", defaults.mask, detectors),
        reveal=_names(reader, "reveal", defaults.reveal, detectors),
        ends_on_mask=ends == "end",
    )


def refuse(reader: Reader) -> None:
    """Report what a rule that lets no call pass says of masking: such a rule shows nothing."""
    for key in KEYS:
        if reader.has(key):
            reader.wrong(
                key, f"`{key}` is for a rule that allows", "what is denied shows nothing, and a guardrail leaves it to the rule"
            )


def _names(reader: Reader, key: str, default: frozenset[str], detectors: Collection[str] | None) -> frozenset[str]:
    said = reader.node_of(key)
    if isinstance(said, yaml.SequenceNode) and not said.value:
        return frozenset()  # in a rule it undoes what `defaults` says
    listed = reader.listed(key, one=True)
    if listed is None:
        return default
    for text, node in listed:
        if not _is_known(text, detectors):
            near = nearest(text, [*STRUCTURAL, *_SECRET_TYPES, *(detectors or ())])
            hint = f"did you mean {near}?" if near else KNOWN
            reader.document.wrong(node, f"`{key}`: {shown(text)} names nothing that is masked", hint)
    return frozenset(text for text, _ in listed)


def _is_known(text: str, detectors: Collection[str] | None) -> bool:
    if text == EVERYTHING or text in STRUCTURAL or text in _SECRET_TYPES or "/" in text:
        return True
    return _NAME.fullmatch(text) is not None if detectors is None else text in detectors


def document(said: Obligations) -> dict[str, object]:
    """The obligations as JSON."""
    on_mask: OnMask = "end" if said.ends_on_mask else "go-on"
    return {"mask": sorted(said.mask), "reveal": sorted(said.reveal), "on-mask": on_mask}


def in_words(said: Obligations) -> str:
    """What the caller would not see, as a sentence."""
    if said == NO_OBLIGATIONS:
        return "masked for the caller: all that masking finds"
    hidden = "all that masking finds"
    if said.mask and EVERYTHING not in said.mask:
        hidden += f", and with it {', '.join(sorted(said.mask))}"
    seen = said.reveal if EVERYTHING not in said.mask else frozenset()
    if EVERYTHING in seen:
        hidden = ", ".join(sorted(said.mask)) or "nothing"
    elif seen - said.mask:
        hidden += f", but not {', '.join(sorted(seen - said.mask))}"
    ends = "; a stream ends at the first masked value" if said.ends_on_mask else ""
    return f"masked for the caller: {hidden}{ends}"
