"""`l7gw help`: the pages that come with l7gw, read in the terminal; or the help of a command."""

from __future__ import annotations

import shutil
import sys
from io import StringIO

import click
from click.shell_completion import CompletionItem

from l7gw.cli import help_topics, shipped
from l7gw.config.document import nearest

WIDEST = 110  # columns of a page; longer lines are hard to follow


def _words(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Topics, files and commands at first; the subcommands of a group behind it."""
    words = list(ctx.params.get("words") or ())
    command = _found(_root(ctx), words)
    names = [] if command is None else [*_subcommands(_root(ctx), words)]
    told = {} if words else {**help_topics.topics(), **help_topics.files()}
    found = [CompletionItem(name, help=line) for name, line in told.items() if name.startswith(incomplete)]
    return found + [CompletionItem(name) for name in names if name.startswith(incomplete) and name not in told]


@click.command("help", short_help="Read a page about a topic, or the help of a command.")
@click.argument("words", metavar="[TOPIC|COMMAND...]", nargs=-1, shell_complete=_words)
@click.pass_context
def help(ctx: click.Context, words: tuple[str, ...]) -> None:  # noqa: A001  # as the command is called
    """Read what comes with l7gw: without words the list of topics, with one that page, with a command its --help.

    In a terminal a page is laid out and paged ($PAGER); into a pipe or a file it goes as it is, in Markdown. A file, such as the
    systemd unit, is always printed as it is.

    Exit status: 0 shown, 2 there is no such topic.

    \b
    l7gw help
    l7gw help policy                       # the page; `l7gw help policy check` is the help of the command
    l7gw help l7gw.service > /etc/systemd/system/l7gw.service
    """
    if not words:
        click.echo(_list())
        return
    name = words[0]
    if len(words) == 1 and (page := _page(name)) is not None:
        _show(page, f"The command of this name: l7gw {name} --help" if name in _subcommands(_root(ctx), []) else "")
    elif len(words) == 1 and name in shipped.files():
        click.echo(shipped.files()[name].read_bytes(), nl=False)
    elif (command := _found(_root(ctx), list(words))) is not None:
        with command.make_context(words[-1], [], parent=_parent(ctx, words), resilient_parsing=True) as of_command:
            click.echo(command.get_help(of_command))
    else:
        known = [*help_topics.topics(), *shipped.files(), *_subcommands(_root(ctx), [])]
        near = nearest(name, known) if len(words) == 1 else ""
        hint = f"did you mean {near}?" if near else "`l7gw help` lists the topics, `l7gw --help` the commands"
        raise click.UsageError(f"there is no help about {' '.join(words)!r}\n  hint: {hint}")


def _page(name: str) -> str | None:
    """The page of this topic; of those that are no topic none."""
    name = name.lower().removeprefix("docs/").removesuffix(".md")
    return shipped.pages()[name] if name in help_topics.topics() else None


def _show(page: str, beside: str) -> None:
    """A page on a terminal, with what else there is of its name in a line before it; or the page as it is."""
    if sys.stdout.isatty():
        shown = laid_out(page, min(shutil.get_terminal_size().columns, WIDEST))
        click.echo_via_pager(f"{beside}\n\n{shown}" if beside else shown)
    else:
        click.echo(page, nl=False)


def laid_out(page: str, columns: int) -> str:
    """Markdown as a terminal of so many columns shows it."""
    from rich.console import Console
    from rich.markdown import Markdown

    out = StringIO()
    Console(file=out, force_terminal=True, width=columns).print(Markdown(page, hyperlinks=False))
    return out.getvalue()


def _list() -> str:
    """The topics and the files, a line each."""
    sections = (
        ("Pages: l7gw help TOPIC", help_topics.topics()),
        ("Files, printed as they are: l7gw help FILE", help_topics.files()),
    )
    lines = []
    for head, told in sections:
        wide = max(map(len, told), default=0)
        lines += [head, *(f"  {name:<{wide}}  {line}" for name, line in told.items()), ""]
    lines.append("Commands: l7gw --help lists them; l7gw help COMMAND is the help of one")
    return "\n".join(lines)


# ---------------------------------------------------------------------- commands


def _root(ctx: click.Context) -> click.Group:
    root = ctx.find_root().command
    assert isinstance(root, click.Group)
    return root


def _found(root: click.Group, words: list[str]) -> click.Command | None:
    """The command that these words name; None where there is none."""
    command: click.Command = root
    for word in words:
        below = command.get_command(click.Context(command), word) if isinstance(command, click.Group) else None
        if below is None:
            return None
        command = below
    return command


def _subcommands(root: click.Group, words: list[str]) -> list[str]:
    """The names behind the words of a command."""
    command = _found(root, words)
    return command.list_commands(click.Context(command)) if isinstance(command, click.Group) else []


def _parent(ctx: click.Context, words: tuple[str, ...]) -> click.Context:
    """The context of the group above, so that the usage line has every word."""
    parent, command = ctx.find_root(), _root(ctx)
    for word in words[:-1]:
        below = command.get_command(parent, word)
        assert isinstance(below, click.Group)
        parent, command = click.Context(below, info_name=word, parent=parent), below
    return parent
