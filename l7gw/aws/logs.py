"""The messages of a log group of CloudWatch Logs, page by page: a group of any size is read in the memory of one page, 1 MB.

The endpoint is AWS's own, or that of botocore's variable AWS_ENDPOINT_URL_CLOUDWATCH_LOGS.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from l7gw.aws.client import client, session
from l7gw.aws.failures import Asked, AwsFailure, in_words

PAUSE = 2.0  # seconds before a page is asked for again that was throttled; FilterLogEvents is good for five or ten calls a second
MOST_PAUSES = 60  # of one page


class Message(NamedTuple):
    """A line of a log: the name of its stream, and its bytes."""

    stream: str
    line: bytes


def messages(
    group: str, *, region: str, profile: str = "", streams: str = "", since: int = 0, pause: Callable[[float], None] = time.sleep
) -> Iterator[Message]:
    """The messages of a group, oldest first in each stream. `streams` is the beginning of the streams' names; `since` is in
    milliseconds since 1970. Without `region` it is that of the environment or of the profile. Raises AwsFailure."""
    asked = Asked(step=f"FilterLogEvents of {group}", region=region, profile=profile)
    try:
        logs = client(session(profile), "logs", region or None)
    except Exception as error:
        raise in_words(error, asked) from None
    wanted: dict[str, Any] = {"logGroupName": group, "startTime": since}
    if streams:
        wanted["logStreamNamePrefix"] = streams
    while True:
        page = _page(logs, wanted, asked, pause)
        for event in page.get("events", ()):
            stream, line = str(event.get("logStreamName", "")), str(event.get("message", ""))
            if stream.startswith(streams):  # also where something between here and AWS knows no such parameter
                yield Message(stream, line.encode("utf-8", "surrogatepass"))
        token = page.get("nextToken")
        if not token:
            return
        wanted["nextToken"] = token


def _page(logs: Any, wanted: dict[str, Any], asked: Asked, pause: Callable[[float], None]) -> dict[str, Any]:
    for left in range(MOST_PAUSES, -1, -1):
        try:
            page: dict[str, Any] = logs.filter_log_events(**wanted)
            return page
        except Exception as error:
            failure = in_words(error, asked)
            if failure.kind != "throttled" or not left:
                raise failure from None
        pause(PAUSE)
    raise AwsFailure("throttled", f"{asked.step}: AWS throttles us")
