"""What the API server makes of a request line (AS pkg/endpoints/request/requestinfo.go): the value that `requestinfo` computes."""

from __future__ import annotations

import msgspec


class RequestInfo(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What requestinfo.go computes. `parts` are the path segments behind the namespace, or
    behind the version where there is none."""

    is_resource: bool
    verb: str
    prefix: str = ""
    group: str = ""
    version: str = ""
    namespace: str = ""
    resource: str = ""
    subresource: str = ""
    name: str = ""
    parts: tuple[str, ...] = ()
    legacy: bool = False
