"""`python -m l7gw` is `l7gw`."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command. kubectl waits for `l7gw login` on each of its own commands, so that a login that is kept is answered before
    anything else is loaded."""
    if sys.argv[1:2] == ["login"]:
        from l7gw.login.quick import answer

        said = answer(sys.argv[2:])
        if said is not None:
            print(said)
            return
    try:
        from l7gw.cli import main as commands

        commands.main()
    except KeyboardInterrupt:  # while modules were loaded, or once more at the end
        sys.exit(130)


if __name__ == "__main__":
    main()
