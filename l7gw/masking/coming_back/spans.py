"""A text around whose masked parts a caller may have edited."""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterator

from l7gw.masking.placeholder import PLACEHOLDER, Tagger
from l7gw.masking.placeholder_search import holds

MOST_TRIES = 64  # places that are tried for the end of one masked part: what stands behind it may stand within it too


def restored_text(sent: str, masked: str, stored: str, tagger: Tagger) -> str | None:
    """The sent text with the stored values in place of its placeholders. `masked` is what was shown of `stored`. None where a
    placeholder in it is none of those that were shown."""
    values = hidden_parts(masked, stored, tagger)
    if not values or any(found[0] not in values for found in PLACEHOLDER.finditer(sent)):
        return None
    whole = PLACEHOLDER.sub(lambda found: values[found[0]], sent)
    return None if holds(whole.encode("utf-8", "surrogatepass")) else whole


def hidden_parts(masked: str, stored: str, tagger: Tagger) -> dict[str, str]:
    """Each placeholder in `masked`, and the part of `stored` that it stands for. Both texts are equal but for these parts."""
    values: dict[str, str] = {}
    at, begun = 0, 0  # in `stored`, in `masked`
    found = list(PLACEHOLDER.finditer(masked))
    for index, placeholder in enumerate(found):
        at += placeholder.start() - begun
        begun = placeholder.end()
        last = index + 1 == len(found)
        rest = masked[begun:] if last else masked[begun : found[index + 1].start()]
        ends = iter((len(stored) - len(rest),)) if last else _places(rest, stored, at)
        value = next((part for end in ends if _stands_for(part := stored[at:end], placeholder, tagger)), None)
        if value is None:
            break
        values[placeholder[0]] = value
        at += len(value)
    return values


def _places(rest: str, stored: str, at: int) -> Iterator[int]:
    """Where a masked part may end: before each `rest` that stands behind its beginning. None where no text is between two parts."""
    end = stored.find(rest, at) if rest else -1
    for _ in range(MOST_TRIES):
        if end < 0:
            return
        yield end
        end = stored.find(rest, end + 1)


def _stands_for(value: str, placeholder: re.Match[str], tagger: Tagger) -> bool:
    return hmac.compare_digest(tagger.placeholder(placeholder[1], value.encode("utf-8", "surrogatepass")), placeholder[0])
