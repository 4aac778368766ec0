"""`l7gw completion SHELL`: what a shell must be told to complete l7gw's words."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

SHELLS = ("bash", "zsh", "fish")


@click.command(short_help="Print what makes a shell complete l7gw's words.")
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print what makes SHELL complete commands, options, sessions, clusters and topics.

    \b
    echo 'eval "$(l7gw completion bash)"' >> ~/.bashrc
    echo 'eval "$(l7gw completion zsh)"' >> ~/.zshrc
    l7gw completion fish > ~/.config/fish/completions/l7gw.fish
    """
    made = get_completion_class(shell)
    assert made is not None
    click.echo(made(ctx.find_root().command, {}, "l7gw", "_L7GW_COMPLETE").source(), nl=False)
