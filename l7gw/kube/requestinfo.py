"""A request line as the API server reads it (AS pkg/endpoints/request/requestinfo.go), or a refusal.

`request_info` is a port of the API server's rules. `describe` first refuses what two parsers could read in two ways
(threats D1 to D3). It writes path and query anew, so that what is judged is what is sent upstream.
"""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import quote, quote_plus, unquote, unquote_plus

from l7gw.errors import Refusal
from l7gw.kube.act import Act, Effect
from l7gw.kube.effects import path_effects, resource_effects
from l7gw.kube.requestinfo_result import RequestInfo
from l7gw.kube.values import port_number

MOST_QUERY_PAIRS = 1000  # parameters; the most that any client is known to send are the words of an exec's argv

VERBS = {"POST": "create", "GET": "get", "HEAD": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
SELECTING = ("list", "watch", "deletecollection")
LEGACY_VERBS = ("watch", "proxy")  # verbs that may stand in the path, deprecated since 1.10
NAMESPACE_SUBRESOURCES = ("status", "finalize")
STREAMING = frozenset(("exec", "attach", "portforward"))
# KK pkg/controlplane/apiserver/config.go: genericfilters.BasicLongRunningRequestCheck
LONG_RUNNING_VERBS = frozenset(("watch", "proxy"))
LONG_RUNNING_SUBRESOURCES = frozenset(("attach", "exec", "proxy", "log", "portforward"))
# A path segment: the characters that Go's EscapedPath does not escape, and percent escapes
SEGMENT = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})+", re.ASCII)
# Characters that may not be escaped: to some readers they end a segment, begin another escape, or are control characters
NEVER_ESCAPED = re.compile(r"[/\\%\x00-\x1f\x7f-\x9f]")
DOTS = re.compile(r"\.\.?(?:;.*)?", re.DOTALL)  # `..;x` means `..` to Tomcat, which may run behind a proxy subresource
QUERY = re.compile(r"[!-~]*", re.ASCII)  # RFC 3986 section 3.4 allows fewer characters, but people type brackets and braces
BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
SAFE = "!$&'()*+,;=:@~"
# Query keys that are lists and may stand more than once (`exclude` is of /readyz); every other key may stand once (threats D2)
REPEATABLE = frozenset(("command", "ports", "dryRun", "exclude"))
BOOLEANS = frozenset(("watch", "tty", "stdin", "stdout", "stderr"))  # query keys that change what a call does
# The target of a usual call on a resource: each part means what is written, and is written as `describe` would write it. An escape
# in the query is one that `quote_plus` makes. The parts by which effects are remembered are bounded as the API bounds them.
_NAME = "[A-Za-z0-9][A-Za-z0-9._:-]*"
_TEXT = "[A-Za-z0-9_.~+-]*(?:%(?:2[1-9ABCF]|3[A-F]|40|5[B-E]|60|7[B-D])[A-Za-z0-9_.~+-]*)*"
_USUAL = re.compile(
    rf"(/(?:api|apis/([a-z0-9][a-z0-9.-]{{0,252}}))/([a-z0-9]{{1,63}})(?:/namespaces/({_NAME})(?=/))?/([a-z0-9-]{{1,63}})"
    rf"(?:/({_NAME})(?:/([a-z0-9-]{{1,63}}))?)?)(?:\?([A-Za-z]+={_TEXT}(?:&[A-Za-z]+={_TEXT})*))?",
    re.ASCII,
)
# Of a usual target these words would be no resource, or more than one; and these subresources have rules of their own
_NO_USUAL_RESOURCE = frozenset(("namespaces", *LEGACY_VERBS, *NAMESPACE_SUBRESOURCES))
_NO_USUAL_SUBRESOURCE = STREAMING | {"proxy"}
_NONE: dict[str, str] = {}
PROFILES = "/debug/pprof/"  # paths below it are long-running, though they are no resources


def truthy(values: list[str]) -> bool:
    """A boolean of the query, from the values of its key: true where the first value is neither `0` nor `false`, false where
    there is none (AM pkg/runtime/conversion.go)."""
    return bool(values) and values[0] != "0" and values[0].lower() != "false"


def request_info(method: str, path: str, query: list[tuple[str, str]]) -> RequestInfo:
    """What a request is about. `path` and `query` are percent-decoded. Raises ValueError where the API server answers 500."""
    segments = path.strip("/").split("/")
    plain = RequestInfo(is_resource=False, verb=method.lower())
    if len(segments) < 3 or segments[0] not in ("api", "apis") or (segments[0] == "apis" and len(segments) < 4):
        return plain
    prefix, segments = segments[0], segments[1:]
    group = ""
    if prefix == "apis":
        group, segments = segments[0], segments[1:]
    version, segments = segments[0], segments[1:]
    legacy = segments[0] in LEGACY_VERBS
    if legacy:
        if len(segments) < 2:
            raise ValueError("a verb in the path without a resource")
        verb, segments = segments[0], segments[1:]
    else:
        verb = VERBS.get(method, "")
    namespace = ""
    if segments[0] == "namespaces" and len(segments) > 1:
        namespace = segments[1]
        if len(segments) > 2 and segments[2] not in NAMESPACE_SUBRESOURCES:
            segments = segments[2:]
    resource = segments[0]
    name = segments[1] if len(segments) > 1 else ""
    subresource = segments[2] if len(segments) > 2 and verb != "proxy" else ""
    if not name and verb == "get":
        verb = "watch" if truthy([value for key, value in query if key == "watch"]) else "list"
        name = _selected_name(next((value for key, value in query if key == "fieldSelector"), ""))
    if not name and verb == "delete":
        verb = "deletecollection"
    return RequestInfo(
        is_resource=True,
        verb=verb,
        prefix=prefix,
        group=group,
        version=version,
        namespace=namespace,
        resource=resource,
        subresource=subresource,
        name=name,
        parts=tuple(segments),
        legacy=legacy,
    )


def _selected_name(selector: str) -> str:
    """The name that a field selector asks for by `metadata.name=X`; "" for none, and where the selector is malformed.

    AM pkg/fields/selector.go sorts the terms and takes the first that fits; so does this. From a request with another list option
    that it cannot decode, the API server takes no name either, but it refuses such a request.
    """
    try:
        terms = [_term(term) for term in sorted(re.findall(r"(?:[^\\,]|\\.?)+", selector, re.DOTALL))]
    except ValueError:
        return ""
    name = next((value for field, negated, value in terms if field == "metadata.name" and not negated), "")
    return "" if name in (".", "..") or "/" in name or "%" in name else name


def _term(term: str) -> tuple[str, bool, str]:
    """One term of a field selector: the field, whether the operator is `!=`, and the value. Raises ValueError."""
    match = re.fullmatch(r"(.*?)(!=|==|=)(.*)", term, re.DOTALL)
    if match is None:
        raise ValueError("no operator")
    field, operator, value = match.groups()
    if re.fullmatch(r"(?:[^\\,=]|\\[\\,=])*", value, re.DOTALL) is None:
        raise ValueError("a bad escape")
    return field, operator == "!=", re.sub(r"\\(.)", r"\1", value)


def describe(method: str, target: str, upgrade: str = "") -> Act:
    """The act that a request line means. `target` is the raw path and query; `upgrade` is "", "websocket" or "SPDY/3.1".

    Raises Refusal 400 for a line with two readings, 403 for a verb in the path, and 400 or 405 for an upgrade that is not served.
    """
    if not upgrade and (act := usual(method, target)) is not None:
        return act
    return part_by_part(method, target, upgrade)


def part_by_part(method: str, target: str, upgrade: str) -> Act:
    """As `describe`, without the short way for usual lines."""
    raw_path, question, raw_query = target.partition("?")
    segments = _segments(raw_path)
    pairs = _pairs(raw_query) if question else []
    path = "/" + "/".join(segments) + ("/" if segments and raw_path.endswith("/") else "")
    try:
        info = request_info(method, path, pairs)
    except ValueError as error:
        raise _bad(str(error)) from error
    if info.legacy:
        raise Refusal(
            403, "Forbidden", "verbs in the path (/watch/, /proxy/) are not passed on; use ?watch=1 or the proxy subresource"
        )
    _check_upgrade(method, info, upgrade)
    if ";" in path or not path.isascii():
        _check_places(info)
    if info.subresource != "proxy":  # an application behind a proxy may repeat query keys
        pairs = _one_value_each(pairs)
    values: dict[str, list[str]] = {}
    for key, value in pairs:
        values.setdefault(key, []).append(value)
    is_exec = info.subresource == "exec"
    if info.is_resource and info.subresource != "proxy":
        path = path.rstrip("/")  # the API server ignores it for a resource; elsewhere it names another page
    return Act(
        verb=info.verb,
        path=quote(path, safe=SAFE + "/"),
        query="&".join(f"{quote_plus(key, safe='~')}={quote_plus(value, safe='~')}" for key, value in pairs),
        effects=_effects(info, path),
        is_resource=info.is_resource,
        group=info.group,
        version=info.version,
        resource=info.resource,
        subresource=info.subresource,
        namespace=info.namespace,
        name=info.name,
        argv=tuple(values.get("command", ())) if is_exec else None,
        container=values.get("container", [""])[0],
        tty=info.subresource in ("exec", "attach") and truthy(values.get("tty", [])),
        stdin=info.subresource in ("exec", "attach") and truthy(values.get("stdin", [])),
        ports=_ports(values.get("ports", [])) if info.subresource == "portforward" else None,
        label_selector=next(iter(values.get("labelSelector", ())), None) if info.verb in SELECTING else None,
        field_selector=next(iter(values.get("fieldSelector", ())), None) if info.verb in SELECTING else None,
        follows=info.verb == "watch" or (info.subresource == "log" and truthy(values.get("follow", []))),
        long_running=_is_long_running(info, path),
    )


def usual(method: str, target: str) -> Act | None:
    """The act of a usual call on a resource; None for any other line, and for one that is refused. By it a get takes 13,500
    instructions instead of 120,000, a list with a selector 37,000 instead of 205,000 (callgrind)."""
    found, verb = _USUAL.fullmatch(target), VERBS.get(method)
    if found is None or verb is None:
        return None
    path, group, version, namespace, resource, name, subresource, query = found.groups("")
    if resource in _NO_USUAL_RESOURCE or subresource in _NO_USUAL_SUBRESOURCE:
        return None
    values = _NONE
    if query:
        pairs = [pair.split("=") for pair in query.split("&")]
        values = dict(pairs)
        if len(values) != len(pairs) or len(pairs) > MOST_QUERY_PAIRS:
            return None
        if "%" in query or "+" in query:
            for key, value in pairs:
                if "%" in value or "+" in value:
                    values[key] = _usual_text(value)
    label_selector = field_selector = None
    if not name:
        if verb == "get":
            verb = "watch" if "watch" in values and truthy([values["watch"]]) else "list"
            name = _selected_name(values["fieldSelector"]) if "fieldSelector" in values else ""
        elif verb == "delete":
            verb = "deletecollection"
        if verb in SELECTING:
            label_selector, field_selector = values.get("labelSelector"), values.get("fieldSelector")
    is_log = subresource == "log"
    return Act(
        verb, path, query, _usual_effects(verb, group, resource, subresource), True, group, version, resource, subresource,  # noqa: FBT003
        namespace, name, None, values.get("container", ""), False, False, None, None, label_selector, field_selector,  # noqa: FBT003
        verb == "watch" or (is_log and "follow" in values and truthy([values["follow"]])), is_log or verb == "watch",
    )  # fmt: skip  # by place: 20 keywords cost a dict


def _usual_text(value: str) -> str:
    """A value of a usual query, decoded. Each of its escapes is an ASCII character."""
    first, *escaped = value.replace("+", " ").split("%")
    return first + "".join([chr(int(text[:2], 16)) + text[2:] for text in escaped])


# Half a mebibyte: the texts of a usual line are short
_usual_effects = lru_cache(maxsize=1024)(resource_effects)


def _effects(info: RequestInfo, path: str) -> frozenset[Effect]:
    if info.is_resource:
        return resource_effects(info.verb, info.group, info.resource, info.subresource)
    return path_effects(info.verb, path)


def _is_long_running(info: RequestInfo, path: str) -> bool:
    """Whether the API server sets no time limit for the call."""
    if info.verb in LONG_RUNNING_VERBS or info.subresource in LONG_RUNNING_SUBRESOURCES:
        return True
    return not info.is_resource and path.startswith(PROFILES)


def _ports(values: list[str]) -> tuple[int, ...] | None:
    """The ports in the query of a port-forward. None where it names none, or one that is no port, by which nothing is forwarded."""
    named = [port_number(port) for value in values for port in value.split(",")]
    return tuple(named) if named and all(named) else None


def _segments(raw_path: str) -> list[str]:
    """The segments of a path, decoded once. One slash at the end adds no segment. Raises Refusal 400 for paths as in threats D1."""
    if not raw_path.startswith("/"):
        raise _bad("the path does not begin with a slash")
    if raw_path == "/":
        return []
    found = []
    for raw in raw_path[1:].removesuffix("/").split("/"):
        if SEGMENT.fullmatch(raw) is None:
            raise _bad("the path has an empty segment, a bad escape, or a character that does not belong into it")
        segment = _decoded(raw) if "%" in raw else raw
        if DOTS.fullmatch(segment) is not None:
            raise _bad("the path has a . or .. segment")
        found.append(segment)
    return found


def _decoded(raw: str) -> str:
    """A segment, percent-decoded once. Raises Refusal 400 for escapes that two readers could read differently."""
    try:
        segment = unquote(raw, errors="strict")
    except UnicodeDecodeError as error:
        raise _bad("the path has escapes that are not UTF-8") from error
    if NEVER_ESCAPED.search(segment) is not None:
        raise _bad("the path has an escaped slash, backslash, percent sign or control character")
    return segment


def _check_places(info: RequestInfo) -> None:
    """Refuse a semicolon, and letters beyond ASCII, in any other place than an object's name or the path of an application.

    Names of RBAC objects may hold any character but slash and percent (apimachinery pkg/api/validation/path/name.go). Applications
    behind a proxy subresource name their pages as they like.
    """
    behind = () if info.subresource == "proxy" else info.parts[2:]
    words = (info.group, info.version, info.namespace, *info.parts[:1], *behind)
    if not info.is_resource or any(";" in word or not word.isascii() for word in words):
        raise _bad("the path has a semicolon or a non-ASCII character outside of an object's name")


def _pairs(raw_query: str) -> list[tuple[str, str]]:
    """The pairs of a query, decoded. Raises Refusal 400 where Go's url.ParseQuery and other
    readers would not agree (threats D2)."""
    if ";" in raw_query or BAD_ESCAPE.search(raw_query):
        raise _bad("the query has a semicolon or a bad percent escape")
    if QUERY.fullmatch(raw_query) is None or "#" in raw_query:
        raise _bad("the query has a character that must be percent-escaped")
    found: list[tuple[str, str]] = []
    for pair in raw_query.split("&"):
        if not pair:
            continue
        raw_key, _, raw_value = pair.partition("=")
        try:
            key, value = unquote_plus(raw_key, errors="strict"), unquote_plus(raw_value, errors="strict")
        except UnicodeDecodeError as error:
            raise _bad("the query is not UTF-8") from error
        if "\0" in key or "\0" in value:
            raise _bad("the query has a NUL")
        found.append((key, value))
        if len(found) > MOST_QUERY_PAIRS:
            raise _bad(f"the query has more than {MOST_QUERY_PAIRS} parameters")
    return found


def _one_value_each(pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The pairs, without repetitions. Raises Refusal 400 for a key with two values, of which one reader takes the first and another
    the last. Booleans must be ASCII: the API server reads `fal\u017fe`, with a long s, in two ways (EqualFold in conversion.go,
    ToLower in requestinfo.go)."""
    seen: dict[str, str] = {}
    found: list[tuple[str, str]] = []
    for key, value in pairs:
        if key in BOOLEANS and not value.isascii():
            raise _bad(f"{key} has a value that is not ASCII")
        if key not in seen or key in REPEATABLE:
            seen[key] = value
            found.append((key, value))
        elif seen[key] != value:
            raise _bad("a query parameter stands twice, with different values")
    return found


def _check_upgrade(method: str, info: RequestInfo, upgrade: str) -> None:
    streaming = info.is_resource and info.group == "" and info.resource == "pods" and info.subresource in STREAMING
    if streaming and method not in ("GET", "POST"):
        raise Refusal(405, "MethodNotAllowed", "exec, attach and portforward take GET and POST alone")
    if upgrade and not (streaming and info.name and len(info.parts) == 3):
        # The recorder could not read watches and logs over WebSocket, nor proxied upgrades (threats A13, E11).
        raise _bad("only exec, attach and portforward of a pod can be upgraded")


def _bad(why: str) -> Refusal:
    return Refusal(400, "BadRequest", why)
