"""The section `hooks` of l7gw.yaml: the user's own Python that the gateway calls. `hooking.loader` imports it.

Whoever can write a hook runs code as the gateway. So its folder is refused where group or others may write to it, or to anything in
it, and where another user owns any of it (threats J5): whoever may write to the folder above could put his own in its place.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import yaml

from l7gw.config.document import Reader, shown, word_of
from l7gw.config.private import ROOT, Fault
from l7gw.config.settings import Hook, HookPart

HOOK_KEYS = ("name", "object", "path", "raw", "for")
PARTS: tuple[HookPart, ...] = get_args(HookPart)

NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,25}[a-z0-9])?")  # with `hook-` before it a detector's name, which has 32 characters
OBJECT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*):([A-Za-z_][A-Za-z0-9_]*)")
MOST_HOOKS = 16  # each is called for every call, object or frame
MOST_ENTRIES = 1000  # files and folders in a hook's folder: each is looked at when the configuration is read
WRITABLE = stat.S_IWGRP | stat.S_IWOTH


def hooks_of(top: Reader) -> tuple[Hook, ...]:
    """The hooks that have no mistake, in the file's order. Every mistake is reported to the document."""
    found: dict[str, Hook] = {}
    nodes = top.items("hooks")
    if len(nodes) > MOST_HOOKS:
        top.wrong("hooks", f"`hooks` has more than {MOST_HOOKS} entries")
    for node in nodes[:MOST_HOOKS]:
        reader = Reader(top.document, node, "a hook", HOOK_KEYS)
        hook = _hook(reader)
        if hook is None:
            continue
        if hook.name in found:
            reader.wrong("name", f"two hooks have the name {hook.name}")
        found.setdefault(hook.name, hook)
    return tuple(found.values())


def _hook(reader: Reader) -> Hook | None:
    if not isinstance(reader.node, yaml.MappingNode):
        return None
    name = reader.text("name", required=True)
    if name and NAME.fullmatch(name) is None:
        hint = "1 to 27 lower-case letters, digits and hyphens: it stands in placeholders"
        reader.wrong("name", f"{shown(name)} cannot be a hook's name", hint)
    target = reader.text("object", required=True)
    parts = OBJECT.fullmatch(target)
    if target and parts is None:
        reader.wrong("object", f"`object` must be MODULE:CLASS, not {shown(target)}", 'such as "acme_hooks:Acme"')
    folder = _folder(reader)
    raw = reader.flag("raw")
    wanted = _parts(reader)
    if parts is None or folder is None or NAME.fullmatch(name) is None:
        return None
    place = reader.node_of("object") or reader.node
    return Hook(name=name, module=parts[1], class_name=parts[2], path=folder, raw=raw, parts=wanted, line=place.start_mark.line + 1)


def _parts(reader: Reader) -> tuple[HookPart, ...]:
    """What `for` names; empty where the key is absent."""
    found: list[HookPart] = []
    for text, node in reader.listed("for", one=True) or ():
        part = word_of(text, PARTS)
        if part is None:
            reader.document.wrong(node, f"`for` must name {', '.join(PARTS[:-1])} or {PARTS[-1]}, not {shown(text)}")
        elif part in found:
            reader.document.wrong(node, f"`for`: {part} stands twice")
        else:
            found.append(part)
    return tuple(found)


def _folder(reader: Reader) -> Path | None:
    """The folder at `path`. None, and a report, where it is no folder, or where others than its owner may write."""
    path = reader.path("path", required=True)
    if path is None:
        return None
    try:
        if not path.is_dir():
            reader.wrong("path", f"`path`: {path} is no folder", "a relative path begins at this file's folder")
            return None
        fault = _fault(path)
    except OSError as error:
        fault = f"{error.filename} cannot be read: {error.strerror}", ""
    if fault is not None:
        reader.wrong("path", f"`path`: {fault[0]}", fault[1])
        return None
    return path


def _fault(path: Path) -> Fault | None:
    """What is wrong with a folder of hooks, as a sentence, and a hint; None where only owners can write. Raises OSError."""
    real = path.resolve()
    # As the volume of a ConfigMap is, whose folder has mode 0777 (pkg/volume/emptydir/empty_dir.go)
    is_fixed = bool(os.statvfs(path).f_flag & os.ST_RDONLY)
    for number, (entry, about) in enumerate(_entries(path)):
        if number > MOST_ENTRIES:
            return f"{path} holds more than {MOST_ENTRIES} files", "give hooks a folder of their own"
        if about.st_mode & WRITABLE and not is_fixed:
            what = f"{entry} can be written by others (mode {stat.S_IMODE(about.st_mode):04o})"
            return f"{what}: they could run code as the gateway", f"chmod -R go-w {path}"
        if about.st_uid not in (ROOT, os.geteuid()) and not is_fixed:
            what = f"{entry} belongs to another user (id {about.st_uid})"
            return f"{what}, who could run code as the gateway", f"chown -R root {path}, or to the gateway's user"
        if not entry.resolve().is_relative_to(real):
            return f"{entry} leads out of the folder", "put a copy there instead of the link"
    return None


def _entries(path: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """A folder and all that it holds, each with what `stat` says of it, or of what its link leads to. A link to a folder is not
    entered: it has to lead to a folder within."""
    yield path, path.stat()
    for folder, folders, files in os.walk(path, onerror=_raise):
        for name in (*folders, *files):
            entry = Path(folder, name)
            yield entry, entry.stat()


def _raise(error: OSError) -> None:
    raise error
