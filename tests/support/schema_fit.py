"""Whether a file that its reader takes fits the JSON Schema that editors get: asked of each configuration that a test uses."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import yaml
from jsonschema import Draft7Validator

from l7gw.config.keys.file import FILE_KEYS
from l7gw.config.reference import schema
from l7gw.policy.keys.file import POLICY

LARGEST = 16 * 1024  # bytes of a file that is looked at; those that tests make larger are of one sort of rule


@cache
def validator(*, policy: bool) -> Draft7Validator:
    return Draft7Validator(schema(POLICY if policy else FILE_KEYS, ""))


def assert_fits(path: Path, *, policy: bool = False) -> None:
    """The file is one that its reader takes."""
    text = path.read_text()
    if len(text) > LARGEST:
        return
    faults = [
        f"{error.json_path}: {error.message}" for error in validator(policy=policy).iter_errors(yaml.load(text, yaml.CSafeLoader))
    ]
    assert not faults, f"the reader takes {path}, and its schema does not: {faults}"
