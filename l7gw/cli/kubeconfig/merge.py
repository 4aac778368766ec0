"""Puts a cluster, a user and a context into a kubeconfig that is there: new entries beside the others, and its own changed.

Only the text of what is added or changed is written; every other byte stays, comments included. Whether the text then says what was
meant is asked of a YAML reader before it is given back, so that a file in an unforeseen style is refused and not damaged.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import yaml

from l7gw.cli.kubeconfig.edit import LARGEST, CannotEdit
from l7gw.name_rules import visible
from l7gw.plainyaml import dumped

LISTS = {"clusters": "cluster", "users": "user", "contexts": "context"}  # key of the list -> key of an entry's content
MOST_NODES = LARGEST  # of a file with its aliases written out: more than any without aliases, and few enough to be compared
OTHER_NAME = "--name OTHER puts all under another name"


@dataclass
class Merged:
    """The file's new bytes, and in words what was done to which entry. `current` is its current context, "" for none. `credential`
    says whether the user has one."""

    octets: bytes
    said: list[str] = field(default_factory=list)
    current: str = ""
    credential: bool = False


def merge(octets: bytes, ours: dict[str, Any], *, force: bool, set_current: bool) -> Merged:
    """A kubeconfig with the entries of `ours`, a kubeconfig with one of each. An existing user keeps its credential in any case.

    `force` lets entries change that lead elsewhere. `set_current` makes ours the current context where there is another. Raises
    CannotEdit where an entry of the name is somebody else's, and where the file cannot be changed so."""
    text, there = _read(octets)
    name = ours["current-context"]
    merged, wanted = Merged(b""), dict(there)
    try:
        for key, inner in LISTS.items():
            text = _with_ours(text, there, wanted, key, ours[key][0][inner], merged, name, force=force)
        merged.current = str(there.get("current-context") or "")
        if not merged.current or (set_current and merged.current != name):
            text, wanted["current-context"], merged.current = _with_value(text, "current-context", name), name, name
        for key in ("apiVersion", "kind"):
            if not there.get(key):
                text, wanted[key] = _with_value(text, key, ours[key]), ours[key]
        found = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError):
        found = None
    if found != wanted:
        raise CannotEdit("is written in a way that cannot be changed safely\n  hint: give each entry lines of its own")
    merged.octets = text.encode()
    return merged


def _with_ours(
    text: str, there: dict[str, Any], wanted: dict[str, Any], key: str, ours: Any, merged: Merged, name: str, *, force: bool
) -> str:
    """The text with our entry in this list; `wanted` and `merged` are told of it."""
    inner, listed = LISTS[key], _listed(there, key)
    found = [one for one in listed if one.get("name") == name]
    if len(found) > 1:
        raise CannotEdit(f"has {len(found)} entries {name!r} in `{key}`")
    before = (found[0].get(inner) or {}) if found else None
    if before is not None and not isinstance(before, dict):
        raise CannotEdit(f"has an entry {name!r} in `{key}` that is no mapping")
    after = _content(key, name, before, ours, force=force)
    if key == "users":
        merged.credential = bool(after)
    if found and before == after:
        merged.said.append(f"{inner} {name}: as before")
        return text
    entry = {**(found[0] if found else {"name": name}), inner: after}
    merged.said.append(f"{inner} {name}: {'changed' if found else 'added'}")
    wanted[key] = [entry if one is found[0] else one for one in listed] if found else [*listed, entry]
    return _with_entry(text, key, name if found else None, entry)


def _read(octets: bytes) -> tuple[str, dict[str, Any]]:
    if len(octets) > LARGEST:
        raise CannotEdit(f"is larger than {LARGEST // 1024**2} MiB")
    try:
        text = octets.decode()
        loader = yaml.SafeLoader(text)
        root = loader.get_single_node()
        if _written_out(root, {}) > MOST_NODES:
            raise CannotEdit("repeats much of itself by aliases (*); write out what is meant")
        there = loader.construct_document(root) if root is not None else None
    except UnicodeDecodeError:
        raise CannotEdit("is no text in UTF-8") from None
    except (yaml.YAMLError, RecursionError, ValueError):
        raise CannotEdit("is no YAML of one document") from None
    if there is None:
        there = {}
    if not isinstance(there, dict):
        raise CannotEdit("is no kubeconfig: it is no mapping")
    return text, there


def _written_out(node: yaml.Node | None, known: dict[int, int]) -> int:
    """How many nodes this would be with a copy of the node in place of each alias; beyond MOST_NODES where one is part of itself.
    `known` has the answers so far, by the id of the node."""
    if not isinstance(node, yaml.CollectionNode):
        return 1
    if id(node) not in known:
        known[id(node)] = MOST_NODES
        parts = (part for one in node.value for part in (one if isinstance(one, tuple) else (one,)))
        known[id(node)] = 1 + sum(_written_out(part, known) for part in parts)
    return known[id(node)]


def _listed(there: dict[str, Any], key: str) -> list[dict[str, Any]]:
    found = there.get(key) or []
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise CannotEdit(f"has `{key}` that are no list of entries")
    return found


# ---------------------------------------------------------------------- what an entry is to say


def _content(key: str, name: str, before: dict[str, Any] | None, ours: dict[str, Any], *, force: bool) -> dict[str, Any]:
    """What the entry of this list is to say. Raises CannotEdit where it is somebody else's."""
    if key == "users":
        return _user(name, before, ours)
    return (_cluster if key == "clusters" else _context)(name, before, ours, force=force)


def _cluster(name: str, before: dict[str, Any] | None, ours: dict[str, Any], *, force: bool) -> dict[str, Any]:
    """Ours, with what else the entry has (such as a proxy)."""
    if before is None:
        return ours
    if before.get("server") not in (None, ours["server"]) and not force:
        raise CannotEdit(
            f"has a cluster {name!r} that leads to {visible(str(before['server']))}, and not to {ours['server']}\n"
            f"  hint: --force leads it here; {OTHER_NAME}"
        )
    ruled = ("certificate-authority", "certificate-authority-data", "tls-server-name", "insecure-skip-tls-verify")
    return {**{key: value for key, value in before.items() if key not in ruled}, **ours}


def _user(name: str, before: dict[str, Any] | None, ours: dict[str, Any]) -> dict[str, Any]:
    """Ours where the entry has no credential or a login that this program wrote; else what it has."""
    if not before or not ours or before == ours:
        return before or ours
    if _is_login(before):
        return ours
    raise CannotEdit(f"has a user {name!r} with a credential of its own, which is never replaced\n  hint: {OTHER_NAME}")


def _context(name: str, before: dict[str, Any] | None, ours: dict[str, Any], *, force: bool) -> dict[str, Any]:
    """Ours, with what else the entry has (such as a namespace)."""
    if before is None:
        return ours
    if any(before.get(key) not in (None, "", ours[key]) for key in ours) and not force:
        leads = f"cluster {before.get('cluster')!r} and user {before.get('user')!r}"
        raise CannotEdit(f"has a context {name!r} that names {leads}\n  hint: --force changes it; {OTHER_NAME}")
    return {**before, **ours}


def _is_login(user: dict[str, Any]) -> bool:
    plugin = user.get("exec")
    arguments = plugin.get("args") if isinstance(plugin, dict) else None
    return set(user) == {"exec"} and isinstance(arguments, list) and arguments[:1] == ["login"] and "--client-id" in arguments


# ---------------------------------------------------------------------- the text


def _with_entry(text: str, key: str, name: str | None, entry: dict[str, Any]) -> str:
    """The text with this entry in a list: in place of the one called `name`, or, where that is None, as the last."""
    root = _root(text)
    pairs = [(one, value) for one, value in root.value if one.value == key] if root is not None else []
    if len(pairs) > 1:
        raise CannotEdit(f"has `{key}` twice, of which one counts")
    if not pairs:
        return _with_key(text, root, key, [entry])
    node = pairs[0][1]
    if not isinstance(node, yaml.SequenceNode) or not node.value:  # `clusters: []` and `clusters: null`, as kubectl writes them
        assert root is not None
        return _replaced(text, node, [entry], flow=bool(root.flow_style), column=pairs[0][0].start_mark.column)
    if name is not None:
        for one in node.value:
            if isinstance(one, yaml.MappingNode) and any(k.value == "name" and v.value == name for k, v in one.value):
                inside = bool(node.flow_style or one.flow_style)
                return _replaced(text, one, entry, flow=inside, column=one.start_mark.column)
        raise CannotEdit(f"has an entry {name!r} that is written in a way that cannot be changed safely")
    if node.flow_style:
        last = node.value[-1]
        lead = text[text.rfind("\n", 0, last.start_mark.index) + 1 : last.start_mark.index]
        between = f",{_newline(text)}{lead}" if not lead.strip() and "\n" in text[: last.start_mark.index] else ", "
        return _put(text, _end(text, last), between + _inline(entry))
    return _after_line(text, _end(text, node), _indented(text, [entry], node.start_mark.column))


def _with_value(text: str, key: str, value: str) -> str:
    """The text with a value of one word at a key of the file."""
    root = _root(text)
    for one, node in root.value if root is not None else ():
        if one.value == key:
            begin, end = node.start_mark.index, _end(text, node)
            return text[:begin] + (" " if begin and text[begin - 1] == ":" else "") + _inline(value) + text[end:]
    return _with_key(text, root, key, value)


def _with_key(text: str, root: yaml.MappingNode | None, key: str, value: str | list[Any]) -> str:
    if root is None:  # nothing but comments
        return _after_line(text, len(text), _indented(text, {key: value}, 0))
    if root.flow_style:
        comma = ", " if root.value else ""
        return _put(
            text, _end(text, root.value[-1][1]) if root.value else root.start_mark.index + 1, f'{comma}"{key}": {_inline(value)}'
        )
    return _after_line(text, _end(text, root), _indented(text, {key: value}, root.start_mark.column))


def _replaced(text: str, node: yaml.Node, value: Any, *, flow: bool, column: int) -> str:
    begin, end = node.start_mark.index, _end(text, node)
    if flow:
        new = _inline(value)
    elif isinstance(value, list):  # of an empty list, which may be no text at all: it goes under its key
        new = _newline(text) + _indented(text, value, column).rstrip("\r\n")
        begin = len(text[:begin].rstrip(" "))
    else:
        new = _indented(text, value, column).lstrip(" ").rstrip("\r\n")
    return text[:begin] + new + text[end:]


def _root(text: str) -> yaml.MappingNode | None:
    root = yaml.compose(text, yaml.SafeLoader)
    return root if isinstance(root, yaml.MappingNode) else None


def _end(text: str, node: yaml.Node) -> int:
    """Where a node's own text ends. A block's mark stands behind the comments and empty lines that follow it."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return _end(text, last[1] if isinstance(last, tuple) else last)
    end = node.end_mark.index
    return len(text[:end].rstrip()) if isinstance(node, yaml.ScalarNode) and node.style in ("|", ">") else end


def _put(text: str, at: int, new: str) -> str:
    return text[:at] + new + text[at:]


def _after_line(text: str, at: int, new: str) -> str:
    """The text with whole lines behind the line of this place."""
    end = text.find("\n", at)
    if end < 0:
        return text + (_newline(text) if text and not text.endswith("\n") else "") + new
    return _put(text, end + 1, new)


def _indented(text: str, value: Any, column: int) -> str:
    lines = dumped(value).splitlines()
    return "".join(f"{' ' * column}{line}{_newline(text)}" for line in lines)


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _inline(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
