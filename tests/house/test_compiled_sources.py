"""What mypyc compiles wrongly, slowly or dangerously stands in no module that is compiled: it would say nothing of most of it.

The modules are those that `pyproject.toml` names for the wheel's hook. Values (Structs, slotted dataclasses) stand in modules of their own,
which stay interpreted: msgspec makes them in C.
"""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
# Bases from outside of the package that mypyc's classes may have
OUTSIDE = {"ABC", "Protocol", "asyncio.Protocol", "Generic", "Exception", "ValueError", "Enum", "NamedTuple"}


# Methods that call themselves through another, and can do so once
BOUNDED = {"l7gw.gateway.answer_relay": ("take", "_let_go")}  # what was held back is taken, and nothing is held back any more


def modules() -> dict[str, Path]:
    """The modules that are compiled, by their dotted names."""
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    return {name.removesuffix(".py").replace("/", "."): ROOT / name for name in wheel["hooks"]["custom"]["modules"]}


def faults(source: str, compiled: set[str]) -> list[str]:
    """What a module may not hold, each with its line. `compiled` are the dotted names of all modules that are compiled."""
    tree = ast.parse(source)
    origins = {
        alias.asname or alias.name: node.module or ""
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    found = [(node.lineno, what) for node in ast.walk(tree) for what in _of_node(node, origins, compiled)]
    return [f"line {line}: {what}" for line, what in sorted(found + list(_recursions(tree)))]


def _of_node(node: ast.AST, origins: dict[str, str], compiled: set[str]) -> Iterator[str]:
    if isinstance(node, ast.ClassDef):
        yield from _of_class(node, origins, compiled)
    elif isinstance(node, ast.If) and node.orelse and "TYPE_CHECKING" in ast.unparse(node.test):
        yield "an `else` of `if TYPE_CHECKING`, of which mypyc takes the wrong side"
    elif isinstance(node, ast.Slice):
        calls = [
            call for bound in (node.lower, node.upper, node.step) if bound for call in ast.walk(bound) if isinstance(call, ast.Call)
        ]
        if any(not isinstance(call.func, ast.Name) or call.func.id != "len" for call in calls):  # a second `len` changes nothing
            yield "a call in the bound of a slice, which mypyc may make twice"
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "slice":
        yield "a slice that is kept, which mypyc takes for a number where it cuts bytes"
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "__new__":
        yield "an object that is made without its `__init__`: mypyc calls that, without arguments"
    elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        kinds: dict[str, set[str]] = {}
        for inner in _within(node):
            if isinstance(inner, ast.ExceptHandler) and inner.name and inner.type:
                kinds.setdefault(inner.name, set()).add(ast.unparse(inner.type))
        yield from (
            f"`{name}` is bound to errors of two types: mypyc asks the first of the second"
            for name in kinds
            if len(kinds[name]) > 1
        )
        texts = {name for inner in _within(node) if isinstance(inner, ast.Assign) for name in _texts(inner)}
        grown = {name for loop in _within(node) if isinstance(loop, ast.For | ast.While) for name in _grown(loop)}
        yield from (f"`{name}` grows in a loop: mypyc copies it each time, where Python does not" for name in sorted(texts & grown))
    elif isinstance(node, ast.Import | ast.ImportFrom) and "weakref" in ast.unparse(node):
        yield "weakref: compiled classes have no weak references"


def _texts(assign: ast.Assign) -> Iterator[str]:
    """The names to which a text, or bytes, are assigned as they are written."""
    for target in assign.targets:
        pairs = [(target, assign.value)]
        if isinstance(target, ast.Tuple) and isinstance(assign.value, ast.Tuple):
            pairs = list(zip(target.elts, assign.value.elts, strict=False))
        for name, value in pairs:
            if isinstance(name, ast.Name) and isinstance(value, ast.Constant) and isinstance(value.value, str | bytes):
                yield name.id


def _grown(loop: ast.AST) -> Iterator[str]:
    """The names to which something is added in a loop."""
    for inner in _within(loop):
        if isinstance(inner, ast.AugAssign) and isinstance(inner.op, ast.Add) and isinstance(inner.target, ast.Name):
            yield inner.target.id


def _of_class(node: ast.ClassDef, origins: dict[str, str], compiled: set[str]) -> Iterator[str]:
    for decorator in node.decorator_list:
        called = decorator.func if isinstance(decorator, ast.Call) else decorator
        if ast.unparse(called) not in ("dataclass", "dataclasses.dataclass"):
            yield f"{node.name} is decorated by something else than `dataclass`"
        elif isinstance(decorator, ast.Call) and any(one.arg == "slots" for one in decorator.keywords):
            yield f"{node.name} is a dataclass with slots: the class that it makes anew is not the compiled one"
    for base in node.bases:
        name = ast.unparse(base.value if isinstance(base, ast.Subscript) else base)
        module = origins.get(name.partition(".")[0], "")
        if name in ("Struct", "msgspec.Struct"):
            yield f"{node.name} is a Struct"
        elif module.startswith("l7gw"):
            if module not in compiled:
                yield f"{node.name} has the base {name} of {module}, which is not compiled"
        elif (module or "." in name) and name not in OUTSIDE:
            yield f"{node.name} has the base {name}, which is not known to work"
    methods = {one.name for one in node.body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)}
    for one in node.body:
        if isinstance(one, ast.Assign) and isinstance(one.value, ast.Name) and one.value.id in methods:
            yield f"{ast.unparse(one)}: a second name of a method, which subclasses do not get"


def _within(function: ast.AST) -> Iterator[ast.AST]:
    """What stands in a function, without the functions within, which are called later."""
    for inner in ast.iter_child_nodes(function):
        yield inner
        if not isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            yield from _within(inner)


def _recursions(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Functions of a module, and methods of a class, that call themselves, be it through each other: C has no limit of recursion, and a
    deep input would end the process."""
    for owner in (tree, *[node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]):
        functions = {one.name: one for one in owner.body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)}
        plain = {name for name, one in functions.items() if isinstance(one, ast.FunctionDef)}
        calls = {
            name: _called(one, plain, of_class=isinstance(owner, ast.ClassDef)) & functions.keys()
            for name, one in functions.items()
        }
        for name, function in functions.items():
            reached, ahead = set[str](), set(calls[name])
            while ahead:
                reached |= ahead
                ahead = set().union(*(calls[one] for one in ahead)) - reached
            if name in reached:
                yield function.lineno, f"`{name}` calls itself"


def _called(function: ast.AST, plain: set[str], *, of_class: bool) -> set[str]:
    """The names that a function calls at once: of its module, or of its own object. What is not `plain` runs only where it is awaited."""
    inside = list(_within(function))
    awaited = [node.value for node in inside if isinstance(node, ast.Await)]
    found = set()
    for node in inside:
        if isinstance(node, ast.Call):
            owner, _, name = ast.unparse(node.func).rpartition(".")
            if owner in (("self", "cls") if of_class else ("",)) and (name in plain or node in awaited):
                found.add(name)
    return found


@pytest.mark.parametrize("name", modules())
def test_a_compiled_module_holds_nothing_that_mypyc_compiles_wrongly(name: str) -> None:
    compiled = modules()
    found = faults(compiled[name].read_text(), set(compiled))
    bounded = [fault for fault in found if any(f"`{method}` calls itself" in fault for method in BOUNDED.get(name, ()))]
    assert [fault for fault in found if fault not in bounded] == []
    assert len(bounded) == len(BOUNDED.get(name, ())), "this method calls itself no more: take it out of BOUNDED"


FAULTY = {
    "a Struct": "import msgspec\nclass A(msgspec.Struct, frozen=True):\n    a: int",
    "a Struct by its name": "from msgspec import Struct\nclass A(Struct):\n    a: int",
    "a Struct of another module": "from l7gw.kube.act import Act\nclass A(Act):\n    pass",
    "a slotted dataclass": "from dataclasses import dataclass\n@dataclass(slots=True)\nclass A:\n    a: int",
    "another decorator": "from functools import total_ordering\n@total_ordering\nclass A:\n    pass",
    "another decorator that is called": "@event(1)\nclass A:\n    pass",
    "two sides of TYPE_CHECKING": "import typing\nif typing.TYPE_CHECKING:\n    A = int\nelse:\n    A = str",
    "a call in the lower bound": "def f(data, read):\n    return data[read(data) :]",
    "a call in the upper bound": "def f(data, read):\n    return data[: 1 + read.all(data)]",
    "a slice that is kept": "def f(data: bytes, at):\n    cut = slice(at, at + 9)\n    return data[cut]",
    "an object without its beginning": "class A:\n    def other(self):\n        return A.__new__(A)",
    "a text that grows": "def f(data):\n    text = ''\n    for one in data:\n        text += chr(one)\n    return text",
    "bytes that grow": "def f(read):\n    data, at = b'', 0\n    while at < 9:\n        if more := read():\n            data += more\n        at += 1\n    return data",
    "two types of error": "def f():\n    try:\n        g()\n    except KeyError as error:\n        print(error)\n    except OSError as error:\n        print(error)",
    "two types of error, apart": "class A:\n    def f(self):\n        try:\n            g()\n        except KeyError as e:\n            pass\n        if 1:\n            try:\n                g()\n            except OSError as e:\n                pass",
    "a second name of a method": "class A:\n    def close(self): ...\n    abort = close",
    "weak references": "from weakref import WeakSet",
    "a function that calls itself": "def f(a):\n    return [f(one) for one in a]",
    "functions that call each other": "def f(a):\n    return g(a)\ndef g(a):\n    return h(a)\ndef h(a):\n    return f(a)",
    "a method that calls itself": "class A:\n    def walk(self, a):\n        for one in a:\n            self.walk(one)",
    "a coroutine that awaits itself": "class A:\n    async def walk(self, a):\n        await self.walk(a[1:])",
    "a class method that calls itself": "class A:\n    @classmethod\n    def walk(cls, a):\n        return cls.walk(a[1:])",
    "a base that is interpreted": "from l7gw.gateway.tunnel import Tunnel\nclass A(Tunnel):\n    pass",
    "a generic base that is interpreted": "from l7gw.gateway.tunnel import Tunnel\nclass A(Tunnel[int]):\n    pass",
    "a base of another package": "import io\nclass A(io.RawIOBase):\n    pass",
    "a base of another package, by its name": "from collections import UserDict\nclass A(UserDict):\n    pass",
}  # fmt: skip
SOUND = {
    "a plain dataclass": "from dataclasses import dataclass\n@dataclass\nclass A:\n    a: int\n@dataclass(frozen=True)\nclass B:\n    a: int",
    "len in a bound": "def f(data, head):\n    return data[len(head) : len(data) - 1]",
    "a text to which something is added once": "def f(why):\n    text = 'it failed'\n    if why:\n        text += why\n    return text",
    "a number that grows": "def f(data):\n    size = 0\n    for one in data:\n        size += len(one)\n    return size",
    "two names for two errors": "def f():\n    try:\n        g()\n    except KeyError as error:\n        pass\n    except OSError as other:\n        pass",
    "one name in two functions": "def f():\n    def inner():\n        try:\n            g()\n        except KeyError as error:\n            pass\n    try:\n        g()\n    except OSError as error:\n        pass",
    "one type twice": "def f():\n    try:\n        g()\n    except KeyError as error:\n        pass\n    try:\n        g()\n    except KeyError as error:\n        pass",
    "a method of its base": "class A:\n    def close(self): ...\nclass B(A):\n    def close(self):\n        super().close()",
    "a method and a function of one name": "def read(a): ...\nclass A:\n    def read(self, a):\n        return read(a) + self.inner.read(a)",
    "a function that is called back later": "def f(loop):\n    def later():\n        f(loop)\n    loop.call_soon(later)",
    "a function that is called by a lambda": "def f(loop):\n    loop.call_soon(lambda: f(loop))",
    "a coroutine that begins another one": "class A:\n    async def dial(self, loop):\n        loop.create_task(self.dial(loop))",
    "a base that is compiled": "import asyncio\nfrom l7gw.gateway.call import Call\nclass A(Call):\n    pass\nclass B(asyncio.Protocol):\n    pass",
    "a class constant": "LIMIT = 3\nclass A:\n    most = LIMIT\n    def f(self): ...",
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTY)
def test_what_mypyc_compiles_wrongly_is_found(name: str) -> None:
    assert faults(FAULTY[name], {"l7gw.gateway.call"})


@pytest.mark.parametrize("name", SOUND)
def test_what_mypyc_compiles_as_it_is_meant_is_let_be(name: str) -> None:
    assert not faults(SOUND[name], {"l7gw.gateway.call"})
