"""What the conditions of a policy see of a body."""

from __future__ import annotations

from l7gw.kube.objects.node import Unreadable
from l7gw.masking.sent.sent_body import format_of, read_as
from l7gw.policy.looked import LARGEST_OBJECT, Looked, look
from l7gw.wire.events import Request

TOO_LARGE = f"the object is larger than {LARGEST_OBJECT // 1024} KiB"


def look_into(request: Request, body: bytes) -> Looked:
    """The body as it was sent, read in its one reading. Without a body there is no object."""
    return look_by_type(next((value for name, value in request.headers if name == "content-type"), ""), body)


def look_by_type(content_type: str, body: bytes) -> Looked:
    """As `look_into`, of a body of this Content-Type."""
    if not body:
        return Looked()
    if len(body) > LARGEST_OBJECT:
        return Looked(fault=TOO_LARGE)
    form = format_of(content_type)
    if form is None:
        return Looked(fault="what is sent is no object")
    try:
        return look(read_as(form, body))
    except Unreadable as error:
        return Looked(fault=f"the object cannot be read: {error}")
