"""`l7gw config reference|schema`: every key of both files, for people and for editors."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from l7gw.cli.options import output_option
from l7gw.config import keys as of_file
from l7gw.config.document import nearest
from l7gw.config.keys.file import FILE_KEYS
from l7gw.config.reference import Found, find, keys_of, later, schema
from l7gw.config.shapes import Mapping
from l7gw.policy import keys as of_policy
from l7gw.policy.keys.file import POLICY

BEFORE = "policy."  # stands before the keys of the policy
WIDEST = 100  # columns; longer lines are not read well
MISTAKES = "mistakes.json"  # in the package of each table


@click.group(short_help="Every key of the configuration and of the policy.")
def config() -> None:
    """What l7gw.yaml and the policy may say: for people (`reference`), and for editors (`schema`).

    `l7gw check` says what a file of yours means.
    """


def _complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The keys whose path begins so."""
    return [CompletionItem(path, help=one.key.says) for path, one in _all().items() if path.startswith(incomplete)]


@config.command("reference", short_help="Every key: type, default, an example, a typical mistake.")
@click.argument("key", default="", shell_complete=_complete)
@output_option
def reference(key: str, output: str) -> None:
    """Teach KEY and all that stands in it: what it says, which values it takes, what counts without it, an example, and what a
    typical mistake is answered. Without KEY, list the keys of l7gw.yaml, one line each.

    A path has dots, and a word in capitals for a name of your own. Keys of the policy begin with `policy.`.

    Exit status: 0 there is such a key, 1 there is none.

    \b
      l7gw config reference
      l7gw config reference clusters.NAME.credential
      l7gw config reference policy.rules.effects
      l7gw config reference -o json | jq -r '.[] | select(.required) | .key'
    """
    found = _found(key)
    if not found:
        _unknown(key)
    if output == "json":
        click.echo(json.dumps([_document(path, one) for path, one in (found if key else _all()).items()], indent=2))
    elif not key:
        click.echo("\n".join(_lines(found)))
        click.echo("\n`l7gw config reference KEY` teaches one; those of the policy: `l7gw config reference policy`", err=True)
    else:
        click.echo("\n\n".join(_in_words(path, one) for path, one in found.items()))


def _all() -> dict[str, Found]:
    """All keys of both files. Those of the policy stand behind the key that names its file."""
    of_both = {one.path: one for one in keys_of(FILE_KEYS)}
    return of_both | {BEFORE + one.path: one for one in keys_of(POLICY)}


def _found(key: str) -> dict[str, Found]:
    """The keys of this path and below, each by its whole path."""
    if not key:
        return {one.path: one for one in keys_of(FILE_KEYS)}
    own = {one.path: one for one in find(FILE_KEYS, key)}
    if key == BEFORE.strip("."):
        return own | {BEFORE + one.path: one for one in keys_of(POLICY) if "." not in one.path}
    return own or {BEFORE + one.path: one for one in find(POLICY, key.removeprefix(BEFORE)) if key.startswith(BEFORE)}


def _unknown(key: str) -> None:
    """Say that there is no such key, and which was meant. Ends the command."""
    feature = later(FILE_KEYS, key)
    if feature:
        click.echo(f"l7gw: `{key}` is not in this version; it comes with {feature}", err=True)
        sys.exit(1)
    known = _all()
    ends = [path for path in known if path.split(".")[-1] == key.split(".")[-1]]
    near = ends or [one for one in (nearest(key, list(known)),) if one]
    hint = f"; did you mean {' or '.join(near[:3])}?" if near else "; `l7gw config reference` lists all keys"
    click.echo(f"l7gw: there is no key `{key}`{hint}", err=True)
    sys.exit(1)


def _document(path: str, one: Found) -> dict[str, object]:
    key = one.key
    wrong, answer = _mistakes(path, one)
    return {
        "key": path,
        "type": key.shape.in_words.replace("`", ""),
        "required": key.required,
        "default": key.default or None,
        "without_it": key.default_in_words.replace("`", ""),
        "says": key.says,
        "example": key.example,
        "not_beside": list(key.without),
        "only_beside": list(key.beside),
        "mistake": {"value": wrong, "answer": answer},
    }


def _mistakes(path: str, one: Found) -> tuple[str, str]:
    """A typical wrong value of a key, and what the reader answers."""
    package = of_policy if path.startswith(BEFORE) else of_file
    wrong, answer = _read_mistakes(Path(str(package.__file__)).parent)[one.path]
    return wrong, answer


@cache
def _read_mistakes(folder: Path) -> dict[str, tuple[str, str]]:
    found: dict[str, tuple[str, str]] = json.loads((folder / MISTAKES).read_text("utf-8"))
    return found


# ---------------------------------------------------------------------- people


def _lines(found: dict[str, Found]) -> Iterator[str]:
    """One line for each key, the keys in it farther right."""
    for path, one in found.items():
        depth = path.count(".")
        name = f"{'  ' * depth}{path.rpartition('.')[2]}"
        yield f"{name:<32} {one.key.default_in_words.replace('`', '')}"


def _in_words(path: str, one: Found) -> str:
    key = one.key
    name = path.rpartition(".")[2]
    wrong, answer = _mistakes(path, one)
    lines = [f"{path}: {key.shape.in_words}".replace("`", ""), *_wrapped(key.says)]
    without = key.default_in_words
    lines += _wrapped(without if without.startswith(("required", "one of")) else f"without it: {without}")
    if key.without:
        lines += _wrapped(f"not beside {', '.join(key.without)}")
    if key.beside:
        lines += _wrapped(f"only beside {', '.join(key.beside)}")
    lines.append(f"    {name}: {key.example}")
    lines += _wrapped(f"a mistake: {name}: {wrong}")
    lines += _wrapped(f"is answered: {answer}")
    return "\n".join(lines)


def _wrapped(text: str) -> list[str]:
    columns = min(WIDEST, shutil.get_terminal_size((WIDEST, 0)).columns)
    return textwrap.wrap(text, columns, initial_indent="  ", subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


# ---------------------------------------------------------------------- editors


@config.command("schema", short_help="The JSON Schema of l7gw.yaml or of the policy.")
@click.option("--policy", "of_policy_file", is_flag=True, help="Of the policy, in place of l7gw.yaml.")
def schema_(of_policy_file: bool) -> None:
    """Print the JSON Schema (draft 7) of l7gw.yaml, by which an editor completes keys and marks mistakes while they are typed.

    What the schema refuses, `l7gw check` refuses too, and `check` knows more: whether files are there, and what keys say together.
    Editors with yaml-language-server (VS Code, Neovim, Helix) read a schema that the first line of a file names:

    \b
      l7gw config schema > l7gw.schema.json
      l7gw config schema --policy > policy.schema.json
      sed -i '1i # yaml-language-server: $schema=l7gw.schema.json' l7gw.yaml
      sed -i '1i # yaml-language-server: $schema=policy.schema.json' policy.yaml
    """
    root: Mapping = POLICY if of_policy_file else FILE_KEYS
    title = "The policy of l7gw" if of_policy_file else "l7gw.yaml"
    click.echo(json.dumps(schema(root, title), indent=2, ensure_ascii=False))
