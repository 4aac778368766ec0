"""An event of a cluster's audit log (audit.k8s.io/v1): what of it says who called, from where, and for what."""

from __future__ import annotations

import datetime

import msgspec


class AuditUser(msgspec.Struct, gc=False):
    """Who a call was made by, or as."""

    username: str = ""
    groups: list[str] | None = None
    extra: dict[str, list[str]] | None = None

    def says(self, extra: str) -> str:
        """The first value of an extra, "" where there is none."""
        values = (self.extra or {}).get(extra)
        return values[0] if values else ""


class ObjectRef(msgspec.Struct, rename="camel", gc=False):
    """The object that a call is about."""

    resource: str = ""
    api_group: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""


class AuditEvent(msgspec.Struct, rename="camel", gc=False):
    """One stage of one call. A call has an event for each stage that the cluster's audit policy does not omit."""

    audit_id: str = msgspec.field(name="auditID", default="")
    stage: str = ""
    request_uri: str = msgspec.field(name="requestURI", default="")
    verb: str = ""
    user: AuditUser = msgspec.field(default_factory=AuditUser)
    impersonated_user: AuditUser | None = None
    source_ips: list[str] | None = msgspec.field(name="sourceIPs", default=None)
    user_agent: str = ""
    object_ref: ObjectRef | None = None
    response_status: dict[str, object] | None = None
    request_received_timestamp: datetime.datetime | None = None
    stage_timestamp: datetime.datetime | None = None

    @property
    def received(self) -> int:
        """When the cluster got the call, in microseconds since 1970; 0 where the event does not say."""
        return _microseconds(self.request_received_timestamp or self.stage_timestamp)

    @property
    def reached(self) -> int:
        """When the call came to this stage, in microseconds since 1970; 0 where the event does not say."""
        return _microseconds(self.stage_timestamp or self.request_received_timestamp)

    @property
    def path(self) -> str:
        return self.request_uri.partition("?")[0]

    @property
    def about(self) -> str:
        """The resource as a policy spells it (`deployments.apps/scale`); of a call about none its path."""
        ref = self.object_ref
        if ref is None or not ref.resource:
            return self.path
        base = f"{ref.resource}.{ref.api_group}" if ref.api_group else ref.resource
        return f"{base}/{ref.subresource}" if ref.subresource else base

    @property
    def status(self) -> int:
        """The status of the answer; 0 where the event does not say."""
        code = (self.response_status or {}).get("code")
        return code if isinstance(code, int) else 0

    @property
    def address(self) -> str:
        """The address that the call came from: the last one, which is the cluster's own finding (the others are what the client
        or a proxy said in X-Forwarded-For)."""
        return self.source_ips[-1] if self.source_ips else ""

    @property
    def is_last(self) -> bool:
        """Whether no other event of the call follows."""
        return self.stage in ("ResponseComplete", "Panic")


def _microseconds(moment: datetime.datetime | None) -> int:
    return round(moment.timestamp() * 1_000_000) if moment is not None else 0
