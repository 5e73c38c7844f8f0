# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Alarms about the end of the platform's own certificates, which any run of the role pki ought to have put off."""

from __future__ import annotations

from observability.alarms.model import Alarm, Fixture, Runbook, Severity, Topic, Where

_DAY = 86400
_KAFKA = 'common_name="kafka",kind="certificate",source="file:///etc/telegraf-certificates/kafka.crt"'
_LISTENER = 'common_name="kafka",kind="listener",source="tcp://kafka-bootstrap.dataplatform.internal:9094"'
_GRAFANA = 'common_name="grafana",kind="certificate",source="file:///etc/telegraf-certificates/grafana.crt"'
_ROOT = 'common_name="dataplatform root 2036",kind="root",source="file:///etc/telegraf-certificates/roots.pem"'
_NEXT = 'common_name="dataplatform root 2043",kind="root",source="file:///etc/telegraf-certificates/roots.pem"'
# A root that is about to end does no harm once another has taken over, see RootCertificateExpires.
_LEFT = 'min by (common_name) (x509_cert_enddate{kind!="root"}) - time()'
_WHERE = (
    "Grafana, dashboard *Certificates*, *When they end*: is it the certificate as issued (a file's name), as shown by "
    "a listener (an address), or both?"
)
_WHICH = (
    "The name is the one in `roles/pki/vars/main.yml`; `dataplatform CLUSTER` is the cluster's issuer, which signs all "
    "others of CLUSTER."
)
_RENEW = (
    "A certificate: `ansible-playbook site.yml -i inventories/CLUSTER` renews what has less than 30 days left and "
    "takes it to where it is used.",
    "The issuer: first `ansible-playbook playbooks/trust.yml -i inventories/controlplane`, then the line above.",
    "As issued it is new and a listener shows the old one: the run did not get to that role, or its pods have not "
    "restarted. Run `site.yml` again, and read how its wait ended.",
    "`pki_renew_days` is set below 21: nothing is wrong but that number; 30 leaves time.",
)


def _fixtures(days: float) -> tuple[Fixture, Fixture]:
    """Return what has less than so many days left, and what has more; time begins at 0 in a fixture."""
    soon, later = int(days * _DAY - 60), int(days * _DAY + 7200)
    firing = Fixture(
        series={
            f"x509_cert_enddate{{{_KAFKA}}}": f"{later}x60",
            f"x509_cert_enddate{{{_LISTENER}}}": f"{soon}x60",
            f"x509_cert_enddate{{{_GRAFANA}}}": f"{later}x60",
        },
        alerts=({"common_name": "kafka"},),
    )
    silent = Fixture(
        series={
            f"x509_cert_enddate{{{_KAFKA}}}": f"{later}x60",
            f"x509_cert_enddate{{{_LISTENER}}}": f"{later}x60",
            # Another root has followed, or RootCertificateExpires fires.
            f"x509_cert_enddate{{{_ROOT}}}": f"{soon}x60",
        }
    )
    return firing, silent


def _expires(name: str, severity: Severity, days: int, *, meaning: str, impact: str) -> Alarm:
    firing, silent = _fixtures(days)
    return Alarm(
        name=name,
        severity=severity,
        component="certificates",
        where=Where.EDGE,
        query=_LEFT,
        op="<",
        threshold=days * _DAY,
        hold="15m",
        summary=f"Certificate {{{{ $labels.common_name }}}} of {{{{ $labels.cluster }}}} ends within {days} days",
        description="Any run of the role pki renews what has less than 30 days left; none did, or its result is not in "
        "use.",
        runbook=Runbook(meaning=meaning, impact=impact, look=(_WHERE, _WHICH), fix=_RENEW),
        firing=firing,
        silent=silent,
    )


TOPIC = Topic(
    name="certificates",
    title="Certificates",
    alarms=(
        _expires(
            "CertificateNotRenewed",
            Severity.WARNING,
            21,
            meaning="A certificate that the role pki has made has less than 21 days left. Every run renews those with "
            "less than 30, so no run has reached this cluster for nine days, or a component has not taken up what it "
            "was given.",
            impact="None yet. When it ends, nobody connects any more to what shows it: "
            "[CertificateExpires](CertificateExpires.md).",
        ),
        _expires(
            "CertificateExpires",
            Severity.CRITICAL,
            7,
            meaning="A certificate that the role pki has made has less than a week left; "
            "[CertificateNotRenewed](CertificateNotRenewed.md) has fired for a fortnight.",
            impact="Clients verify: from its end on no connection to its owner succeeds. Kafka's: no metrics and no "
            "logs of any cluster. Elasticsearch's: nothing is stored and nothing is shown. An exporter's: its metrics "
            "are missing. The issuer's: all of them at once.",
        ),
        Alarm(
            name="RootCertificateExpires",
            severity=Severity.WARNING,
            component="certificates",
            where=Where.EDGE,
            query='max(x509_cert_enddate{kind="root"}) - time()',
            op="<",
            threshold=365 * _DAY,
            hold="15m",
            summary="The newest root certificate that {{ $labels.cluster }} trusts ends within a year",
            description="The controlplane's runs make the next root three years before, and every member's run brings "
            "it there; one of both did not happen.",
            runbook=Runbook(
                meaning="No certificate can outlive its root. The next root is in every bundle for 90 days before it "
                "signs, so that a year is not long.",
                impact="None yet. Without a root that follows, all certificates of the fleet end on the same day.",
                look=(
                    "Grafana, dashboard *Certificates*, *Roots*: does one cluster lack the newest root, or all?",
                    "$ kubectl --context CLUSTER --namespace agents get configmap prometheus-certificates "
                    "--output jsonpath='{.data.roots\\.pem}'",
                ),
                fix=(
                    "All clusters: `ansible-playbook site.yml -i inventories/controlplane`; it says until when every "
                    "member has to be run.",
                    "One cluster: `ansible-playbook site.yml -i inventories/CLUSTER` takes the bundle there.",
                ),
            ),
            firing=Fixture(series={f"x509_cert_enddate{{{_ROOT}}}": f"{364 * _DAY}x60"}, alerts=({},)),
            silent=Fixture(
                series={
                    f"x509_cert_enddate{{{_ROOT}}}": f"{364 * _DAY}x60",
                    f"x509_cert_enddate{{{_NEXT}}}": f"{3650 * _DAY}x60",
                }
            ),
        ),
        Alarm(
            name="CertificatesUnwatched",
            severity=Severity.WARNING,
            component="certificates",
            where=Where.EDGE,
            query='absent(x509_cert_enddate{kind="certificate"})',
            hold="15m",
            summary="Nothing is known of the certificates of {{ $labels.cluster }}",
            description="The bridge has shown no certificate's end for 15 minutes, so no alarm about them can fire.",
            runbook=Runbook(
                meaning="Telegraf reads the certificates from the ConfigMap `prometheus-certificates` and shows when "
                "each ends. It finds none, or cannot read one.",
                impact="A certificate can end without a warning.",
                look=(
                    "$ kubectl --context CLUSTER --namespace agents get configmap prometheus-certificates",
                    "$ kubectl --context CLUSTER --namespace agents logs statefulset/prometheus --container telegraf "
                    "--tail=500 | grep x509_cert",
                    "Is the bridge itself away? [BridgeDown](BridgeDown.md).",
                ),
                fix=(
                    "`ansible-playbook site.yml -i inventories/CLUSTER --tags prometheus` writes them anew.",
                    "`prometheus_certificates` is set in the inventory: it has to name them all.",
                ),
            ),
            firing=Fixture(
                series={f"x509_cert_enddate{{{_ROOT}}}": f"{3650 * _DAY}x60"}, alerts=({"kind": "certificate"},)
            ),
            silent=Fixture(series={f"x509_cert_enddate{{{_KAFKA}}}": f"{300 * _DAY}x60"}),
        ),
    ),
)
