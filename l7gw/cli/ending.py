"""How a command ends: with an exit status and, where it failed, with words. No error of the operating system, and no bug, gets out
of here as a traceback.

Known failures are ConfigurationError, click's own, an OSError, Ctrl-C and a reader that has closed the pipe. All else is a bug.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import click

from l7gw.cli.wrong_usage import hint_of
from l7gw.errors import ConfigurationError
from l7gw.os_faults import OF_OUTPUT, OTHERWISE, told

USAGE, UNKNOWN = 2, 3
INTERRUPTED = 130  # 128 + SIGINT, as shells say of a command that Ctrl-C ended
NOT_READ = 141  # 128 + SIGPIPE, as shells say of a command whose reader closed the pipe: `| head`
TRACEBACK = "L7GW_TRACEBACK"  # in the environment: a bug shows where it is
ENDS = (signal.SIGTERM, signal.SIGHUP)  # by which somebody ends a command from outside
PACKAGE = Path(__file__).parent.parent


def open_streams() -> None:
    """Make the three streams usable. One that was closed (`>&-`) is /dev/null, as else the next file that is opened, a journal
    perhaps, would take its number and what is printed. A text that the terminal's encoding lacks is escaped."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode))  # takes the lowest free number: the closed stream's
        elif number and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def tidy_up_on_signals() -> None:
    """Let SIGTERM and SIGHUP end a command as an exception does, with the status that shells say of them: a cursor that was hidden
    is shown again, a lock is let go, keys that were just made are removed. A signal that is ignored, as by nohup, stays so."""
    for number in ENDS:
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _end)


def _end(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)


def status_of(command: Callable[[], object]) -> int:
    """Run a command, say on stderr why it failed, and give its exit status: 0 yes, 1 no, 2 wrong usage or configuration, 3 could
    not tell, and what shells say of Ctrl-C and of a closed pipe."""
    try:
        status = _ended(command)
        sys.stdout.flush()  # a full disk or a closed pipe shows here, and not as a traceback at the interpreter's end
        return status
    except KeyboardInterrupt:
        return INTERRUPTED
    except OSError as error:
        return _of_system(error)
    except Exception as error:
        return _of_bug(error)


def _ended(command: Callable[[], object]) -> int:
    try:
        status = command()
        return status if isinstance(status, int) else 0
    except SystemExit as ended:
        if isinstance(ended.code, str):
            _say(ended.code)
            return 1
        return ended.code or 0
    except ConfigurationError as error:
        _say(str(error))
        return USAGE
    except UnicodeEncodeError:
        if not any("\udc80" <= character <= "\udcff" for word in sys.argv for character in word):
            raise
        _say("l7gw: what was typed has bytes that are no text in UTF-8\n  hint: type it anew, and look at LANG and LC_ALL")
        return USAGE
    except click.exceptions.Exit as ended:
        return ended.exit_code
    except click.Abort as aborted:  # click's word for Ctrl-C and for the end of stdin at a question
        if isinstance(aborted.__cause__, KeyboardInterrupt):
            return INTERRUPTED
        _say("l7gw: nothing was done: stdin ended before the question was answered")
        return UNKNOWN
    except click.ClickException as wrong:
        hint = hint_of(wrong) if isinstance(wrong, click.UsageError) else ""
        (_with_the_nearest(wrong) if isinstance(wrong, click.exceptions.NoSuchCommand) and not hint else wrong).show()
        if hint:
            _say(f"  hint: {hint}")
        return wrong.exit_code


def _with_the_nearest(unknown: click.exceptions.NoSuchCommand) -> click.ClickException:
    context = unknown.ctx
    known = context.command.list_commands(context) if context is not None and isinstance(context.command, click.Group) else []
    return click.exceptions.NoSuchCommand(unknown.command_name, possibilities=known, ctx=context)


def _of_system(error: OSError) -> int:
    try:
        sys.stdout.flush()
    except OSError:
        _forget_output()
    if error.errno == errno.EPIPE:
        return NOT_READ
    if error.filename is None and error.errno in OF_OUTPUT:
        _say(f"l7gw: what this prints cannot be written: {told(error)}")
        return UNKNOWN
    _say(f"l7gw: {told(error, named=True, otherwise=OTHERWISE)}")
    if os.environ.get(TRACEBACK):
        traceback.print_exception(error)
    return UNKNOWN


def _of_bug(error: Exception) -> int:
    """Nothing of the error's own text is shown, which can hold anything that the command has read."""
    if os.environ.get(TRACEBACK):
        traceback.print_exception(error)
        return UNKNOWN
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).is_relative_to(PACKAGE)]
    where = f" in {Path(frames[-1].filename).relative_to(PACKAGE.parent)}, line {frames[-1].lineno}" if frames else ""
    _say(
        f"l7gw: a bug of l7gw, and no mistake of yours: {type(error).__name__}{where}\n"
        f"  hint: the same command with {TRACEBACK}=1 shows more; please report that, once nothing secret is in it"
    )
    return UNKNOWN


def _forget_output() -> None:
    """What is still buffered for stdout goes to /dev/null: nobody takes it, and the interpreter would try once more at its end."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.close(null)


def _say(words: str) -> None:
    try:
        click.echo(words, err=True)
    except OSError:  # nobody reads stderr either
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 2)
        os.close(null)
