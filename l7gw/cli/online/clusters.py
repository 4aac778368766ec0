"""A cluster, tried as `l7gw clusters test` tries it, with the end of the certificate that it shows and with its clock."""

from __future__ import annotations

from datetime import datetime

from cryptography import x509

from l7gw.cli.online.clocks import ahead_of
from l7gw.cli.online.expiry import of_certificate
from l7gw.cli.online.findings import Finding, of_step
from l7gw.cli.online.jobs import Job, Report
from l7gw.cluster.trial import Step, Trial
from l7gw.cluster.tried import tried
from l7gw.config.settings import Cluster
from l7gw.policy.judge import Policy
from l7gw.timeouts import Timeouts


def job_of(cluster: Cluster, policy: Policy, now: datetime, timeouts: Timeouts) -> Job:
    """The job that tries a cluster."""
    name = f"cluster {cluster.name}"
    return Job(name, lambda report: _try(report, name, cluster, policy, now, timeouts))


def _try(report: Report, name: str, cluster: Cluster, policy: Policy, now: datetime, timeouts: Timeouts) -> None:
    unasked: list[Step] = []
    over = False
    otherwise = f"l7gw clusters test {cluster.name} shows each step"

    def ended(step: Step) -> None:
        nonlocal over
        over = over or step.outcome == "not tried"
        if step.outcome == "not asked":
            unasked.append(step)
        else:
            report.tell(of_step(name, step, otherwise))

    found = tried(Trial(report.begun, ended), cluster, policy, timeouts)
    if unasked and not over:
        more = f" and {len(unasked) - 1} more" if len(unasked) > 1 else ""
        text = f"{unasked[0].name}{more}: {unasked[0].said}"
        hint = f"l7gw rbac render {cluster.name} has the rule; kubectl tells the caller whom RBAC does not let through"
        report.tell(Finding(f"{name}: not asked", "yellow", text, hint))
    if found.certificate:
        shown = x509.load_der_x509_certificate(found.certificate)
        hint = "it is renewed at the API server"
        report.tell(of_certificate(f"{name}: certificate", shown, now, "what the API server shows", hint))
    if found.server is not None:
        ahead = ahead_of(found.server.date, found.server.asked)
        if ahead is not None:
            report.skewed(name, ahead)
        found.server.close()
