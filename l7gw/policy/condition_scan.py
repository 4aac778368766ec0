"""What a `when` may say, looked for in its text without its literals. The library that runs it has no types and no limit of cost,
and whatever it computes holds up every call of the process; so what could take long is refused here.

Measured with common-expression-language 0.10 over a list of 1,000, beside 17 ms in which the object is handed over: `all` with a
test of the element takes 1 ms; with `object` named in it 1.1 s, since each naming copies the object; with the groups of the caller
40 ms; `map` to the elements 0.9 s; a nested `all` is a thousand times the first. `matches` compiles its pattern anew for each
element, which took up to 40 s; so patterns are taken out of the text, and compiled once, with RE2.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

import msgspec

from l7gw.config.document import nearest, shown
from l7gw.policy.patterns import BadPattern

LONGEST = 2048  # bytes of a `when`
MOST_PLUSES = 8  # each joins copies of what it joins
MOST_NAMED = 16  # times that `object` and `result` are named; each naming copies a part of it
LONGEST_REGEX = 200  # characters of a pattern for `matches`

FIELDS: dict[str, tuple[str, ...]] = {
    "request": (
        *("verb", "group", "resource", "subresource", "namespace", "name", "path", "effects", "argv", "container"),
        *("stdin", "tty", "ports", "dry_run"),
    ),
    "principal": ("user", "groups", "kind", "issuer", "actor", "address"),
}
WHOLE = ("object", "result")  # of any shape
COMPREHENSIONS = ("all", "exists", "exists_one", "filter")
MOST_NAMED_INSIDE = 3  # times that `request` and `principal` are named in what is done for each element; each copies a part
FUNCTIONS = (
    *("has", "size", "int", "uint", "double", "string", "bytes", "timestamp", "duration", "type", "dyn"),
    *("bool", "list", "null_type"),  # what `type` may be compared with
)
METHODS = (
    *(
        "size",
        "contains",
        "startsWith",
        "endsWith",
        "matches",
        "getFullYear",
        "getMonth",
        "getDate",
        "getDayOfMonth",
        "getDayOfWeek",
    ),
    *("getDayOfYear", "getHours", "getMinutes", "getSeconds", "getMilliseconds"),
)
_WORDS = ("true", "false", "null", "in")
# Texts as CEL's grammar has them: a raw one knows no escapes, so that r"\" ends at its second quote.
_RAW = r"""(?:[rR][bB]?|[bB][rR])(?:\"{3}.*?\"{3}|\'{3}.*?\'{3}|"[^"\n]*"|'[^'\n]*')"""
_COOKED = r"""[bB]?(?:\"{3}(?:[^\\]|\\.)*?\"{3}|\'{3}(?:[^\\]|\\.)*?\'{3}|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')"""
_LITERAL = re.compile(f"{_RAW}|{_COOKED}", re.DOTALL)
_MATCHES, _CLOSES = re.compile(r"\.\s*matches\s*\(\s*\Z"), re.compile(r"\s*\)")
_TOKEN = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_]*|[0-9][0-9A-Za-z.]*|&&|\|\||[=!<>]=|//|.)", re.DOTALL)
_NAME = re.compile(r"[A-Za-z_]")


class Named(msgspec.Struct, frozen=True):
    """A value that a `when` names: `object.spec.replicas` is root `object` and path ("spec", "replicas")."""

    root: str
    path: tuple[str, ...]

    def __str__(self) -> str:
        return ".".join((self.root, *self.path))


def scan(text: str) -> tuple[Named, ...]:
    """What a condition names, each once, in the order of its text. Raises BadPattern for what it may not say."""
    if not text.strip() or len(text.encode()) > LONGEST:
        raise BadPattern(f"a condition has 1 to {LONGEST} bytes")
    literals = _LITERAL.findall(text)
    # A literal becomes one token of a kind that nothing else has.
    tokens = [match[1] for match in _TOKEN.finditer(_LITERAL.sub(" \x01 ", text)) if match[1].strip()]
    if '"' in tokens or "'" in tokens:
        raise BadPattern("a text in it has no end")
    if "//" in tokens:
        raise BadPattern("it has a comment", "a comment of YAML stands behind # and outside of the text")
    if tokens.count("+") > MOST_PLUSES:
        raise BadPattern(f"it adds more than {MOST_PLUSES} times")
    body = _body(tokens)
    _check_matches(tokens, literals)
    found = dict.fromkeys(_names(tokens, body))
    if sum(tokens[at] in WHOLE and not _is_member(tokens, at) for at in range(len(tokens))) > MOST_NAMED:
        raise BadPattern(f"it names `object` or `result` more than {MOST_NAMED} times")
    return tuple(found)


class _Body(msgspec.Struct, frozen=True):
    """The arguments of the comprehension, as a range of tokens; `variable` is what it calls an element."""

    start: int
    end: int
    variable: str


def _body(tokens: list[str]) -> _Body | None:
    """The body of the only comprehension, None where there is none. Raises BadPattern."""
    calls = [
        at
        for at, token in enumerate(tokens)
        if token in COMPREHENSIONS and _is_member(tokens, at) and tokens[at + 1 : at + 2] == ["("]
    ]
    if not calls:
        return None
    if len(calls) > 1:
        raise BadPattern("it has more than one of " + ", ".join(COMPREHENSIONS), "make two rules of it")
    start = calls[0] + 2
    depth, end = 1, start
    while end < len(tokens) and depth:
        depth += (tokens[end] in ("(", "[", "{")) - (tokens[end] in (")", "]", "}"))
        end += 1
    variable = tokens[start] if start < len(tokens) else ""
    if not _NAME.match(variable) or tokens[start + 1 : start + 2] != [","] or variable in (*FIELDS, *WHOLE, *_WORDS):
        raise BadPattern(f"`{tokens[calls[0]]}` needs a name for an element", "object.spec.containers.all(c, c.image != '')")
    for at in range(start, end):
        token = tokens[at]
        slow = (
            token == "+" or (token in WHOLE and not _is_member(tokens, at)) or (tokens[calls[0]] == "map" and token in ("[", "{"))
        )
        slow = slow or (token in ("argv", "ports") and tokens[max(0, at - 2) : at] == ["request", "."])
        if slow:
            hint = "it would be done for each element; say it before, with &&"
            raise BadPattern(f"`{tokens[calls[0]]}` has {token} in what it does with each element", hint)
    if sum(tokens[at] in FIELDS and not _is_member(tokens, at) for at in range(start, end)) > MOST_NAMED_INSIDE:
        raise BadPattern(f"`{tokens[calls[0]]}` names `request` or `principal` more than {MOST_NAMED_INSIDE} times")
    return _Body(start, end, variable)


def patterns_apart(text: str, name: str) -> tuple[str, tuple[str, ...]]:
    """The text with each `.matches(PATTERN)` written as `.NAME_N()`, and the patterns as they were written, with their quotes. The
    text has passed `scan`."""
    found: list[str] = []
    parts: list[str] = []
    end = 0
    for literal in _LITERAL.finditer(text):
        before = text[end : literal.start()]
        call = _MATCHES.search(before)
        closes = _CLOSES.match(text, literal.end())
        if call is None or closes is None:
            parts.append(text[end : literal.end()])
            end = literal.end()
            continue
        parts += [before[: call.start()], f".{name}_{len(found)}()"]
        found.append(literal[0])
        end = closes.end()
    return "".join((*parts, text[end:])), tuple(found)


def _check_matches(tokens: list[str], literals: list[str]) -> None:
    """A pattern comes from the policy and never from a call, and is short. Raises BadPattern."""
    texts = iter(literals)
    for at, token in enumerate(tokens):
        text = next(texts) if token == "\x01" else ""
        if text and tokens[max(0, at - 2) : at] == ["matches", "("] and len(text) > LONGEST_REGEX:
            raise BadPattern(f"a pattern of `matches` is longer than {LONGEST_REGEX} characters")
    for at, token in enumerate(tokens):
        if token == "matches" and (not _is_member(tokens, at) or tokens[at + 1 : at + 4] != ["(", "\x01", ")"]):
            raise BadPattern("`matches` takes one pattern, written as a text", "object.spec.host.matches('^[a-z]+$')")


def _names(tokens: list[str], body: _Body | None) -> Iterator[Named]:
    """The values that are named. Raises BadPattern for a name that stands for nothing."""
    for at, token in enumerate(tokens):
        if not _NAME.match(token) or token in _WORDS:
            continue
        called = tokens[at + 1 : at + 2] == ["("]
        if _is_member(tokens, at):
            if called and token == "map":
                raise BadPattern("`map` takes long", "`all`, `exists`, `exists_one` and `filter` look at each element")
            if called and token not in (*METHODS, *COMPREHENSIONS):
                raise BadPattern(f"`{token}` is no function", _meant(token, (*METHODS, *COMPREHENSIONS)))
            continue
        if called:
            if token not in FUNCTIONS:
                raise BadPattern(f"`{token}` is no function", _meant(token, FUNCTIONS))
        elif token in WHOLE:
            yield Named(token, _path(tokens, at))
        elif token in FIELDS:
            path = _path(tokens, at)
            if not path or path[0] not in FIELDS[token]:
                what = f"`{token}.{path[0]}` is not known" if path else f"`{token}` stands without a field"
                raise BadPattern(what, _meant(path[0] if path else "", FIELDS[token]))
            yield Named(token, path[:1])
        elif token not in FUNCTIONS and not (body is not None and token == body.variable and body.start <= at < body.end):
            known = (*FIELDS, *WHOLE)
            raise BadPattern(f"{shown(token)} is not known; there is no clock and no other name", _meant(token, known))


def _path(tokens: list[str], at: int) -> tuple[str, ...]:
    """The members behind a name: of `object.spec.replicas` spec and replicas. It ends before a function and an index."""
    found: list[str] = []
    while tokens[at + 1 : at + 2] == ["."] and _NAME.match(tokens[at + 2] if at + 2 < len(tokens) else ""):
        if tokens[at + 3 : at + 4] == ["("]:
            break
        found.append(tokens[at + 2])
        at += 2
    return tuple(found)


def _is_member(tokens: list[str], at: int) -> bool:
    return at > 0 and tokens[at - 1] == "."


def _meant(word: str, known: Collection[str]) -> str:
    near = nearest(word, sorted(known))
    return f"did you mean {near}?" if near else "one of " + ", ".join(known)
