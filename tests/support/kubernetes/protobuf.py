"""Google's protobuf with Kubernetes' published `.proto` files: another implementation of what `l7gw.kube.objects` reads and writes."""

from __future__ import annotations

import base64
import functools
import importlib.util
import json
import random
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import Message

from l7gw.kube.objects import protobuf_table
from l7gw.kube.objects.node import Node
from tests.support.cached import key, made_once
from tests.support.go_programs import find_go

ROOT = Path(__file__).parent.parent.parent.parent
GENERATOR = ROOT / "deploy" / "protobuf_fields.py"
MAGIC = b"k8s\0"


@functools.cache
def generator() -> ModuleType:
    """deploy/protobuf_fields.py as a module."""
    spec = importlib.util.spec_from_file_location("protobuf_fields", GENERATOR)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@functools.cache
def pool() -> descriptor_pool.DescriptorPool:
    """Descriptors of all messages. They are compiled, in seconds, where the cache has none. Raises MissingGo: the files lie in Go's
    modules."""
    find_go()
    name = key(json.dumps(protobuf_table.version()), files=[ROOT / "tests/support/kubernetes/go.sum"])
    compiled = made_once("protobuf", name, _compile) / "descriptors"
    found = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(compiled.read_bytes()).file:
        found.Add(file)  # type: ignore[no-untyped-call]
    return found


def _compile(folder: Path) -> None:
    _, modules = generator().modules()
    with tempfile.TemporaryDirectory() as imports:
        (Path(imports) / "k8s.io").mkdir()
        for module in modules:
            (Path(imports) / "k8s.io" / module.name.split("@")[0]).symlink_to(module)
        files = sorted(path.relative_to(imports) for path in Path(imports).glob("k8s.io/*/**/generated.proto"))
        options = [f"--proto_path={imports}", "--include_imports", f"--descriptor_set_out={folder}/descriptors"]
        subprocess.run([sys.executable, "-m", "grpc_tools.protoc", *options, *files], check=True, capture_output=True)


@functools.cache
def message_class(name: str) -> type[Message]:
    """The class of a message, by its name in the table: `core/v1.Secret`."""
    full = generator_names()[name]
    return message_factory.GetMessageClass(pool().FindMessageTypeByName(full))  # type: ignore[no-untyped-call, no-any-return]


@functools.cache
def generator_names() -> dict[str, str]:
    """Names in the table -> full names of the messages."""
    _, modules = generator().modules()
    found: dict[str, str] = {}
    for package, _ in generator().packages(modules):
        here = generator().short(package)
        prefix = f"k8s.io.{package}."
        found |= {name: prefix + name.split(".")[-1] for name in protobuf_table.messages() if name.rpartition(".")[0] == here}
    return found


def as_json(message: Any, name: str) -> Any:
    """A message as JSON has it, but with bytes as bytes and with the fields that Go leaves out of JSON because they are empty. The
    names are those of the table."""
    fields = {field.number: value for field, value in message.ListFields()}
    table = protobuf_table.message(name)
    if name in ("meta/v1.Time", "meta/v1.MicroTime"):
        if not fields:
            return None
        at = datetime.fromtimestamp(message.seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        return at + (f".{message.nanos // 1000:06}Z" if "Micro" in name else "Z")
    if name == "resource.Quantity":
        return message.string
    if name == "intstr.IntOrString":
        return message.strVal if message.type == 1 else message.intVal
    if name == "meta/v1.Duration":
        return timespan(message.duration)
    if table.form == "raw":
        raw = next(iter(fields.values()), b"")
        return body_as_json(raw) if raw.startswith(MAGIC) else json.loads(raw) if raw else ({} if not fields else b"")
    found: dict[str, Any] = {}
    for field in table.fields.values():
        if field.number not in fields:
            continue
        value = fields[field.number]
        if field.mapped:
            value = {key: _as_json(one, field.message) for key, one in sorted(value.items())}
        elif field.repeated:
            value = [_as_json(one, field.message) for one in value]
        else:
            value = _as_json(value, field.message)
        if field.name:
            found[field.name] = value
        elif field.repeated:
            return value
        else:
            found |= value
    if table.form == "list":
        return []
    if name.endswith(("OrArray", "OrBool", "OrStringArray")):
        return found.get("schema", next(iter(found.values()), {}))
    return found


def timespan(nanoseconds: int) -> str:
    """A duration of less than a second as Go writes it, or its digits."""
    return {0: "0s", 1: "1ns", -1: "-1ns", 300: "300ns"}.get(nanoseconds, "")


def body_as_json(data: bytes) -> Any:
    """An object in its envelope, in the same form."""
    unknown: Any = message_class("runtime.Unknown").FromString(data[len(MAGIC) :])
    names = {"apiVersion": unknown.typeMeta.apiVersion, "kind": unknown.typeMeta.kind}
    message = protobuf_table.message_of(*names.values())
    if not message:
        return {**names, "raw": unknown.raw}
    return {**as_json(message_class(message).FromString(unknown.raw), message), **names}


def _as_json(value: Any, message: str) -> Any:
    return as_json(value, message) if message else value


def tree(node: Node) -> Any:
    """A node as plain values, in the same form."""
    match node.shape:
        case "object":
            return {name: tree(one) for name, one in node.members()}
        case "list":
            return [tree(one) for one in node.items()]
        case "octets":
            return node.octets()
        case _:
            return node.scalar()


def filled(name: str, dice: random.Random, deep: int = 12) -> Message:
    """A message with values in about a third of its fields, in all that are there below."""
    message: Any = message_class(name)()
    _fill(message, message.DESCRIPTOR, dice, deep)
    return message  # type: ignore[no-any-return]


def _fill(message: Any, descriptor: Any, dice: random.Random, deep: int) -> None:
    for field in descriptor.fields:
        if dice.random() < 0.6 or (deep <= 0 and field.message_type is not None):
            continue
        target = getattr(message, field.name)
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            value = field.message_type.fields_by_name["value"]
            for number in range(dice.randint(1, 3)):
                name = f"k.{number}/ü"
                if value.message_type is not None:
                    _fill(target[name], value.message_type, dice, deep - 3)
                else:
                    target[name] = _scalar(value, dice)
        elif field.is_repeated:
            for _ in range(dice.randint(1, 3)):
                if field.message_type is not None:
                    _fill(target.add(), field.message_type, dice, deep - 3)
                else:
                    target.append(_scalar(field, dice))
        elif field.message_type is not None:
            target.SetInParent()
            _fill(target, field.message_type, dice, deep - 1)
        else:
            setattr(message, field.name, _scalar(field, dice))


def _scalar(field: Any, dice: random.Random) -> Any:
    if field.name in ("raw", "Raw"):
        return b'{"spec":{"replicas":1}}'
    if field.full_name.endswith((".Time.seconds", ".MicroTime.seconds", "Time.nanos")):
        return dice.randrange(10**9)
    if field.full_name.endswith("IntOrString.type"):
        return dice.randrange(2)
    if field.full_name.endswith("Duration.duration"):
        return dice.choice((0, 1, -1, 300))
    kinds = {
        field.TYPE_STRING: "".join(dice.choices("abc-öß€😀", k=dice.choice((0, 1, 9, 200)))),
        field.TYPE_BYTES: dice.randbytes(dice.choice((0, 1, 9, 200))),
        field.TYPE_BOOL: dice.random() < 0.5,
        field.TYPE_INT32: dice.choice((0, 1, -1, 300, 2**31 - 1, -(2**31))),
        field.TYPE_INT64: dice.choice((0, 1, -1, 300, 2**63 - 1, -(2**63))),
        field.TYPE_DOUBLE: dice.choice((0.0, 1.5, -1e300)),
    }
    return kinds[field.type]


def enveloped(api_version: str, kind: str, raw: bytes | Message) -> bytes:
    """An object as the API server writes it, in its envelope."""
    unknown: Any = message_class("runtime.Unknown")()
    unknown.typeMeta.apiVersion = api_version
    unknown.typeMeta.kind = kind
    unknown.raw = raw if isinstance(raw, bytes) else raw.SerializeToString()
    unknown.contentEncoding = unknown.contentType = ""
    return MAGIC + bytes(unknown.SerializeToString())


def from_json(value: Any, name: str) -> Message:
    """A message from an object as JSON has it. `name` is that of the message in the table. Of the types that JSON writes in a form
    of their own, those that the tests' objects have: times, quantities, numbers or texts, JSON inside protobuf."""
    message: Any = message_class(name)()
    _from_json(message, value, name)
    return message  # type: ignore[no-any-return]


def _from_json(message: Any, value: Any, name: str) -> None:
    if name in ("meta/v1.Time", "meta/v1.MicroTime"):
        message.seconds = int(datetime.fromisoformat(value).timestamp())
    elif name == "resource.Quantity":
        message.string = value
    elif name == "intstr.IntOrString":
        message.type = int(isinstance(value, str))
        setattr(message, "strVal" if isinstance(value, str) else "intVal", value)
    elif "-" in protobuf_table.message(name).names:  # JSON, or an object in an envelope of its own
        known = protobuf_table.message_of(value.get("apiVersion", ""), value.get("kind", ""))
        raw = object_from_json(value) if known else json.dumps(value).encode()
        setattr(message, message.DESCRIPTOR.fields[0].name, raw)
    else:
        _members_from_json(message, value, name)


def _members_from_json(message: Any, value: Any, name: str) -> None:
    table = protobuf_table.message(name)
    for member_name, member in value.items():
        field = table.names.get(member_name)
        if field is None or member is None:
            assert member_name in ("kind", "apiVersion") or member is None, (name, member_name)
            continue
        described = message.DESCRIPTOR.fields_by_number[field.number]
        target = getattr(message, described.name)
        if field.name == protobuf_table.EMBEDDED:
            _from_json(target, {member_name: member}, field.message)
        elif field.mapped:
            for one, inside in member.items():
                if field.message:
                    _from_json(target[one], inside, field.message)
                else:
                    target[one] = base64.b64decode(inside) if field.kind == "octets" else inside
        elif field.repeated:
            for one in member:
                if field.message:
                    _from_json(target.add(), one, field.message)
                else:
                    target.append(one)
        elif field.message:
            target.SetInParent()
            _from_json(target, member, field.message)
        else:
            setattr(message, described.name, base64.b64decode(member) if field.kind == "octets" else member)


def object_from_json(value: dict[str, Any]) -> bytes:
    """An object in its envelope, from what JSON has of it."""
    name = protobuf_table.message_of(value["apiVersion"], value["kind"])
    return enveloped(value["apiVersion"], value["kind"], from_json(value, name))


def event_from_json(word: str, value: dict[str, Any]) -> bytes:
    """An event of a watch with the length before it, as the API server frames it."""
    event: Any = message_class("meta/v1.WatchEvent")()
    event.type = word
    event.object.raw = object_from_json(value)
    data = event.SerializeToString()
    return len(data).to_bytes(4, "big") + bytes(data)
