"""Runs the whole demo: its stage, the tour, and what to type afterwards. Ctrl-C leaves nothing behind."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from rich.console import Console

from l7gw.demo.stage import GATEWAY_ENDS_WITHIN, Demo, running
from l7gw.demo.tour import tour


async def demo(*, keep: bool, gateway_ends_within: float = GATEWAY_ENDS_WITHIN) -> int:
    """Run the tour. With `keep`, stay up afterwards until Ctrl-C. Returns the exit status."""
    console = Console(highlight=False)
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    running_task = asyncio.current_task()
    assert running_task is not None

    def stop() -> None:
        if not stopped.is_set() and not keep_waiting:
            running_task.cancel()  # only once: a second cancel would stop the cleaning up, and leave the gateway behind
        stopped.set()

    keep_waiting = False
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # the last one comes when the terminal is closed
        loop.add_signal_handler(number, stop)
    try:
        async with running(console, ends_within=gateway_ends_within) as it:
            console.print(f"the gateway listens on {it.address}; its log is {it.log}", markup=False, soft_wrap=True)
            failed = await tour(it, console)
            if keep:
                keep_waiting = True
                _say_what_to_type(it, console)
                await stopped.wait()
            return 1 if failed else 0
    except asyncio.CancelledError:
        console.print("\nstopped; nothing is left behind")
        return 130
    except RuntimeError as error:
        Console(stderr=True, highlight=False).print(str(error), markup=False)
        return 3


def _say_what_to_type(it: Demo, console: Console) -> None:
    command = Path(sys.argv[0])
    command = command if command.name == "l7gw" else Path("l7gw")
    console.print("\n[bold]The demo stays up. In another terminal:[/bold]\n")
    l7gw = os.path.relpath(command)
    for line in (
        f"export KUBECONFIG={it.kubeconfig}",
        "kubectl get pods -A",
        "kubectl get secret database -o yaml     # masked; edit it, and the value stays",
        "kubectl exec -it web-0 -- sh",
        "kubectl delete pod web-1                # waits for Lea: you, in the next terminal",
        "",
        f"export L7GW_CONFIG={it.config}",
        f"export L7GW_TOKEN=$(cat {it.reviewer})",
        f"{l7gw} holds list --state pending",
        f"{l7gw} holds show HOLD                # a beginning of its id will do",
        f"{l7gw} holds approve HOLD --note TEXT # or deny",
        "",
        f"{l7gw} sessions list",
        f"{l7gw} sessions show SESSION          # each call, and what was masked",
        f"{l7gw} replay SESSION",
        f"tail -f {it.log}  # a line a call",
        f"$EDITOR {it.folder}/policy.yaml  # read again when saved",
    ):
        console.print(f"  {line}", markup=False, soft_wrap=True)
    console.print("\nCtrl-C ends it and leaves nothing behind.")
