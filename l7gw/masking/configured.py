"""The section `masking` of the configuration as what masking works with: scanners, fields, the registry's switch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from l7gw.config.document import nearest, shown
from l7gw.config.settings import Hook, Masking, MaskingField, MaskingTest
from l7gw.errors import ConfigurationError, Problem
from l7gw.masking.detectors.patterns import BadPattern, detector_of
from l7gw.masking.detectors.scanner import Scanners
from l7gw.masking.detectors.table import BUILT_IN
from l7gw.masking.known_fields import names_a_field
from l7gw.obligations import STRUCTURAL

OF_HOOKS = "hook-"  # begins the names of what hooks find


@dataclass(frozen=True, slots=True)
class Configured:
    scanners: Scanners
    registry: bool  # whether values of Secrets that were read are recognised elsewhere
    fields: tuple[MaskingField, ...]

    def names(self, hooks: Iterable[Hook] = ()) -> frozenset[str]:
        """The names that rules may have in `mask` and `reveal` beside STRUCTURAL and types of Secrets: of all detectors, the user's
        own too, and of the hooks."""
        return frozenset((*(one.name for one in self.scanners.detectors), *(f"{OF_HOOKS}{hook.name}" for hook in hooks)))


def configured(said: Masking, file: Path) -> Configured:
    """What the section says; `file` is where it stands. Raises ConfigurationError with all that is wrong, and with the tests that
    fail."""
    problems: list[Problem] = []

    def wrong(line: int, what: str, hint: str = "") -> None:
        problems.append(Problem(str(file), line, what, hint))

    detectors = list(BUILT_IN)
    names = {detector.name for detector in BUILT_IN}
    for pattern in said.patterns:
        if pattern.name in names or pattern.name in STRUCTURAL or pattern.name.startswith(OF_HOOKS):
            hint = "l7gw masking detectors lists those that are taken"
            if pattern.name in STRUCTURAL:
                hint = "it is the name of what is masked by its place in an object"
            elif pattern.name.startswith(OF_HOOKS):
                hint = f"names that begin with {OF_HOOKS} are for what hooks find"
            wrong(pattern.line, f"`patterns`: the name {pattern.name} is taken", hint)
            continue
        names.add(pattern.name)
        try:
            detectors.append(detector_of(pattern.name, pattern.pattern))
        except BadPattern as fault:
            wrong(pattern.line, f"`pattern` {shown(pattern.pattern)} {fault}")
    switches = {detector.name: detector.on for detector in detectors}
    for switch in said.detectors:
        if switch.name not in names:
            near = nearest(switch.name, sorted(names))
            hint = f"did you mean `{near}`?" if near else "l7gw masking detectors lists them"
            wrong(switch.line, f"`detectors`: {shown(switch.name)} is no detector", hint)
        switches[switch.name] = switch.on
    for test in said.tests:
        for name in sorted(test.finds - names):
            near = nearest(name, sorted(names))
            hint = f"did you mean `{near}`?" if near else "l7gw masking detectors lists them, and `patterns` adds to them"
            if name in STRUCTURAL:
                hint = "a test is of a text alone; this is masked by its place in an object, or because a Secret holds it"
            wrong(test.line, f"`finds`: {shown(name)} is no detector", hint)
    for field in said.fields:
        if not names_a_field(field):
            hint = f"kubectl explain {field.kind.lower()} shows its fields; a list needs [*]"
            wrong(field.line, f"`path` {shown(field.path.text)} names no field of {field.kind}", hint)
    if problems:
        raise ConfigurationError(sorted(problems, key=lambda problem: problem.line))
    scanners = Scanners(detectors, frozenset(name for name, on in switches.items() if on))
    _run(said.tests, scanners, file)
    return Configured(scanners, said.registry, said.fields)


def _run(tests: tuple[MaskingTest, ...], scanners: Scanners, file: Path) -> None:
    """Raises ConfigurationError with the tests that fail."""
    problems = []
    for test in tests:
        found = frozenset(span.detector for span in scanners.default.scan(test.text.encode()))
        if found != test.finds:
            what = f"a test of masking fails: {shown(test.text)} finds {_listed(found)}, not {_listed(test.finds)}"
            off = sorted(name for name in test.finds if name not in scanners.on)
            problems.append(Problem(str(file), test.line, what, f"{', '.join(off)} is off" if off else ""))
    if problems:
        raise ConfigurationError(problems)


def _listed(names: frozenset[str]) -> str:
    return ", ".join(sorted(names)) or "nothing"


def ordinary() -> Configured:
    """What counts without a configuration."""
    return Configured(Scanners(BUILT_IN), registry=True, fields=())
