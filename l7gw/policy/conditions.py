"""`when:` of a rule: a condition in CEL over the call, who makes it, what is sent and what a dry run made of it.

It is compiled at load, and tried there on values of each type. The library is common-expression-language; it is imported with the
first condition, since that takes half a second.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from itertools import product
from typing import TYPE_CHECKING, Any, Literal

import re2

from l7gw.config.document import shown
from l7gw.identity.principal import Principal
from l7gw.kube.act import Act
from l7gw.policy.condition_scan import Named, patterns_apart, scan
from l7gw.policy.looked import (
    NO_OBJECT,
    NO_RESULT,
    Looked,
    dry_run_needs_object,
    has_no_result,
    principal_of,
    request_of,
    sends_nothing,
)
from l7gw.policy.patterns import BadPattern
from l7gw.policy.verdict import Needed

if TYPE_CHECKING:
    import cel

LONGEST_ERROR = 200  # characters of what the library says
LARGEST_REGEX = 1024 * 1024  # bytes that RE2 may use for a pattern
LONGEST_SHOWN = 60  # characters of a value that is shown beside a condition
MOST_TRIED = 3  # values of unknown type that are tried in every combination: 6 types each

Outcome = Literal[
    "yes",
    "no",
    "error",  # counts as no match for an allow, and as a match for a deny or a hold
    "object",  # cannot be said before the object is read
    "result",  # cannot be said before a dry run
]
_DRY_RUN = Named("request", ("dry_run",))
_LEAVES: tuple[object, ...] = ("a", 1, True, [], {}, 1.5)


class Condition:
    """A compiled `when`."""

    __slots__ = ("_patterns", "_program", "named", "text")

    def __init__(self, text: str) -> None:
        """Raises BadPattern for a text that is no condition, or one that could take long."""
        self.text = text
        self.named = scan(text)
        self._program, self._patterns = _compiled(text)
        self._check_types()

    def needs(self, act: Act, looked: Looked | None) -> Needed | None:
        """What must be read before the condition can be judged; None where all is there."""
        roots = {one.root for one in self.named}
        if ("object" in roots or self.by_body(act)) and not _has(looked, "object") and not sends_nothing(act):
            return "object"
        if "result" in roots and not _has(looked, "result") and not has_no_result(act):
            return "result"
        return None

    def by_body(self, act: Act) -> bool:
        """Whether the condition asks if the call is a dry run, and only the call's body says it."""
        return _DRY_RUN in self.named and dry_run_needs_object(act)

    @property
    def reads(self) -> frozenset[str]:
        """Which of object and result it names."""
        return frozenset(one.root for one in self.named) & {"object", "result"}

    def run(self, context: cel.Context) -> tuple[Outcome, str]:
        """Whether it holds; of an error, why, in words."""
        self._hand_over(context)
        try:
            value = self._program.execute(context)
        except BaseException as error:
            _pass_on(error)
            return "error", _in_words(error)
        if value is True:
            return "yes", ""
        if value is False:
            return "no", ""
        return "error", f"it gives {_type(value)}, and neither true nor false"

    def _hand_over(self, context: cel.Context) -> None:
        """Give the context the patterns of this condition. Contexts are shared by conditions, whose patterns have other names."""
        for name, matches in self._patterns.items():
            context.add_function(name, matches)

    def _check_types(self) -> None:
        """Try it on values of each type. Raises BadPattern where none makes it true or false."""
        import cel

        why = ""
        for sample in _samples(self.named):
            context = cel.Context(variables=sample)
            self._hand_over(context)
            try:
                value = self._program.execute(context)
            except (TypeError, RuntimeError) as error:  # another type, or a name that stands for nothing
                why = why or _in_words(error)
                continue
            except BaseException as error:  # a field or an item that the sample lacks, a number that does not fit
                _pass_on(error)
                return
            if isinstance(value, bool):
                return
            why = why or f"it gives {_type(value)}"
        if sum(one.root in ("object", "result") for one in self.named) <= MOST_TRIED or "Undefined" in why:
            raise BadPattern(f"{shown(self.text)} is neither true nor false: {why}")


def _has(looked: Looked | None, what: Needed) -> bool:
    return looked is not None and looked.has(what)


def _pass_on(error: BaseException) -> None:
    """Raise again what is no fault of a condition. A panic of the library is no Exception, but is one."""
    if isinstance(error, KeyboardInterrupt | SystemExit | MemoryError):
        raise error


class Context:
    """The values of one call, for all the conditions that are judged. They are put together when a condition first asks."""

    __slots__ = ("_act", "_looked", "_made", "_principal", "_values", "_verb", "asked")

    def __init__(self, principal: Principal, act: Act, verb: str, looked: Looked | None) -> None:
        """`verb` is policy's spelling of the act's."""
        self._principal, self._act, self._verb, self._looked = principal, act, verb, looked
        self._made: cel.Context | None = None
        self._values: dict[str, Any] = {}
        self.asked = False  # whether a condition was judged

    def judge(self, condition: Condition) -> tuple[Outcome, str]:
        """Whether the condition holds; of an error, why, in words."""
        self.asked = True
        needed = condition.needs(self._act, self._looked)
        if needed is not None:
            return needed, f"it depends on the {needed}"
        looked = self._looked if self._looked is not None else Looked()
        if "object" in condition.reads and (fault := looked.fault or ("" if looked.object is not None else NO_OBJECT)):
            return "error", fault
        if looked.fault and condition.by_body(self._act):  # the query says nothing where there is a body
            return "error", looked.fault
        if "result" in condition.reads and (fault := looked.result_fault or ("" if looked.result is not None else NO_RESULT)):
            return "error", fault
        return condition.run(self._context(looked))

    def _context(self, looked: Looked) -> cel.Context:
        if self._made is None:
            import cel

            self._values = {
                "request": request_of(self._act, self._verb, looked.object),
                "principal": principal_of(self._principal),
                "object": looked.object,
                "result": looked.result,
            }
            self._made = cel.Context(variables=self._values)
        return self._made

    def saw(self, condition: Condition) -> list[tuple[str, str]]:
        """What the condition names, each with its value as JSON, shortened; `(not there)` of what is not."""
        if self._made is None:
            return []
        return [(str(one), _shown(self._values[one.root], one.path)) for one in condition.named]


def _shown(value: Any, path: tuple[str, ...]) -> str:
    for name in path:
        if not isinstance(value, dict) or name not in value:
            return "(not there)"
        value = value[name]
    text = json.dumps(value, ensure_ascii=True, default=str)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."


def _compiled(text: str) -> tuple[cel.Program, dict[str, Callable[[object], bool]]]:
    """The program, and the functions that stand for its patterns, by their names. Raises BadPattern."""
    import cel

    logging.getLogger("cel").setLevel(logging.CRITICAL + 1)  # it warns of each error in a function, which callers could repeat
    apart, patterns = patterns_apart(text, "l7gw_matches")
    try:
        program = cel.compile(apart)
        return program, {f"l7gw_matches_{number}": _matcher(cel.compile(said).execute({})) for number, said in enumerate(patterns)}
    except BadPattern:
        raise
    except BaseException as error:
        _pass_on(error)
        raise BadPattern(f"{shown(text)} is no condition: {_in_words(error)}") from None


def _matcher(pattern: object) -> Callable[[object], bool]:
    """Whether a pattern is found in a text, as a function that raises TypeError for what is none."""
    options = re2.Options()
    options.max_mem = LARGEST_REGEX
    options.log_errors = False
    try:
        found = re2.compile(pattern, options) if isinstance(pattern, str) else None
    except re2.error:
        found = None
    if found is None:
        raise BadPattern(f"{shown(str(pattern))} is no pattern of RE2, or one that takes more than a megabyte")

    def matches(value: object) -> bool:
        if not isinstance(value, str):
            raise TypeError("matches is of a text")
        return found.search(value) is not None

    return matches


def _in_words(error: BaseException) -> str:
    """What the library says, in one line. It may quote the condition, never what a call sends."""
    if isinstance(error, KeyError):
        return f"there is no {error.args[0]}" if error.args else "a field is not there"
    said = " ".join(str(error).replace("ERROR: <input>:", "at ").split())
    return said[:LONGEST_ERROR]


def _type(value: object) -> str:
    names = {str: "a text", list: "a list", dict: "a map", type(None): "null"}
    return names.get(type(value), "a number" if isinstance(value, int | float) else "a value")


# ---------------------------------------------------------------------- samples

_REQUEST: dict[str, object] = {
    **dict.fromkeys(("verb", "group", "resource", "subresource", "namespace", "name", "path", "container"), "a"),
    "effects": ["read"],
    "argv": ["a"],
    "ports": [80],
    "stdin": False,
    "tty": False,
    "dry_run": False,
}
_PRINCIPAL: dict[str, object] = {**dict.fromkeys(("user", "kind", "issuer", "actor", "address"), "a"), "groups": ["a"]}


def _samples(named: tuple[Named, ...]) -> Iterator[dict[str, Any]]:
    """Values for a trial: the types of `request` and `principal` are known, those within an object are tried."""
    unknown = [one for one in named if one.root in ("object", "result")]
    each = (
        list(product(_LEAVES, repeat=len(unknown))) if len(unknown) <= MOST_TRIED else [(leaf,) * len(unknown) for leaf in _LEAVES]
    )
    for leaves in each:
        made: dict[str, Any] = {"request": _REQUEST, "principal": _PRINCIPAL, "object": {}, "result": {}}
        for one, leaf in zip(unknown, leaves):
            if not one.path:
                continue
            place: Any = made[one.root]
            for name in one.path[:-1]:
                inner = place.get(name)
                place[name] = inner if isinstance(inner, dict) else {}
                place = place[name]
            if not (isinstance(place.get(one.path[-1]), dict) and place[one.path[-1]]):
                place[one.path[-1]] = leaf
        yield made
