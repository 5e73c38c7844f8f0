# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real Kubernetes control planes on loopback: etcd, kube-apiserver and the other components.

All control planes share one etcd, each with a key prefix of its own. An older Kubernetes minor version is emulated by
the same program with ``--emulated-version`` (KEP-4330). An upgrade is a restart with another emulated version.
"""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException, HTTPSConnection
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import yaml

from localcloud.artifacts.binaries import Binaries
from localcloud.host.files import write_whole
from localcloud.host.loopback import HOST, free_port, wait_ready
from localcloud.host.processes import Process, Supervisor
from localcloud.kubernetes import pki
from localcloud.kubernetes.etcd import Etcd
from localcloud.model import LocalCloudError

__all__ = ["ControlPlane", "Etcd", "check_version", "playable"]

DEFAULT_SERVICE_CIDR = "10.100.0.0/16"
# A 1.N binary emulates 1.N-3 and later; EKS' standard support has fewer versions.
EMULATED_MINORS = 2
EXTRAS = ("kube-controller-manager", "kube-scheduler", "kwok")
KWOK_CONFIG = Path(__file__).with_name("kwok.yaml")
KWOK_NODES = "kwok.x-k8s.io/node=fake"

# The audit log shows who changed which object; requests of the components themselves are left out.
AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {
            "level": "None",
            "users": [
                "localcloud:system",
                "localcloud:kwok",
                "system:apiserver",
                "system:kube-controller-manager",
                "system:kube-scheduler",
            ],
        },
        {"level": "None", "userGroups": ["system:serviceaccounts:kube-system"]},
        {
            "level": "None",
            "resources": [
                {"group": "", "resources": ["events"]},
                {"group": "events.k8s.io", "resources": ["events"]},
                {"group": "coordination.k8s.io", "resources": ["leases"]},
                {"group": "authentication.k8s.io"},
                {"group": "authorization.k8s.io"},
            ],
        },
        {"level": "Metadata", "verbs": ["create", "update", "patch", "delete", "deletecollection"]},
        {"level": "None"},
    ],
}


class ControlPlane:
    """An API server and, optionally, the controller manager, the scheduler and simulated nodes."""

    def __init__(
        self,
        directory: Path,
        *,
        binaries: Binaries,
        supervisor: Supervisor,
        etcd: Etcd,
        prefix: str,
        version: str | None = None,
        port: int | None = None,
        extras: Collection[str] = EXTRAS,
        webhook_url: str = "",
        service_cidr: str = DEFAULT_SERVICE_CIDR,
        arguments: Sequence[str] = (),
        egress: Path | None = None,
        progress: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Prepare a control plane; ``start`` runs it.

        :param webhook_url: URL of token reviews
        :param arguments: additional arguments of the API server; a change takes effect after a restart
        :param egress: Unix socket of the proxy for connections to nodes, pods and Services
        """
        self.directory = directory
        self.prefix = f"/{prefix}"
        self.port = port or free_port()
        self.endpoint = f"https://{HOST}:{self.port}"
        self.log = directory / "kube-apiserver.log"
        self.audit_log = directory / "audit.jsonl"
        self._binaries = binaries
        self._supervisor = supervisor
        self._etcd = etcd
        self._extras = extras
        self._webhook_url = webhook_url
        self._service_cidr = service_cidr
        self.arguments = list(arguments)
        self._egress = egress
        self._progress = progress
        self._processes: list[Process] = []
        self.version = version or playable(binaries)[-1]
        self._write_files()

    @classmethod
    @contextlib.contextmanager
    def temporary(
        cls,
        directory: Path,
        *,
        extras: Collection[str] = (),
        version: str | None = None,
        binaries: Binaries | None = None,
    ) -> Iterator[ControlPlane]:
        """Run a minimal control plane with an etcd of its own, for tests."""
        binaries = binaries or Binaries()
        supervisor = Supervisor(directory / "processes.json")
        etcd = Etcd(binaries, directory / "etcd", supervisor)
        try:
            etcd.start()
            plane = cls(
                directory / "control-plane",
                binaries=binaries,
                supervisor=supervisor,
                etcd=etcd,
                prefix="registry",
                version=version,
                extras=extras,
            )
            plane.start()
            yield plane
        finally:
            supervisor.stop(grace=0)

    # -- life

    def start(self) -> None:
        """Start and wait until the API server is ready and the default namespace exists."""
        check_version(self.version, self._binaries)
        try:
            self._start_api_server()
            for extra in self._extras:
                self._start_extra(extra)
            for process in self._processes:
                process.keep = True
        except BaseException:
            self.stop()
            raise

    def stop(self, grace: float = 1.0) -> None:
        """Stop all programs; the data is kept in etcd."""
        with ThreadPoolExecutor(max_workers=4) as pool:
            list(pool.map(lambda process: process.stop(grace), self._processes))
        self._processes = []

    def restart(self, version: str) -> None:
        """Restart as another minor version with the same data; on failure, restart the old version and raise."""
        check_version(version, self._binaries)
        previous = self.version
        self.stop()
        self.version = version
        try:
            self.start()
        except LocalCloudError:
            self.version = previous
            self.start()
            raise

    @property
    def running(self) -> bool:
        return bool(self._processes) and all(process.running for process in self._processes)

    @property
    def stopped(self) -> bool:
        """Whether none of its programs runs or is about to be restarted."""
        return not self._processes

    # -- access

    def request(
        self, method: str, path: str, body: bytes | None = None, content_type: str = "application/json"
    ) -> tuple[int, bytes]:
        """Send one request as ``localcloud:system``."""
        connection = HTTPSConnection(HOST, self.port, timeout=30, context=self._tls())
        try:
            connection.request(method, path, body, {"Content-Type": content_type, "Accept": "application/json"})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def _tls(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.ca_file))
        context.load_cert_chain(self._system.cert, self._system.key)
        return context

    def _answers(self, path: str) -> bool:
        try:
            return self.request("GET", path)[0] == 200
        except (OSError, HTTPException):
            return False

    # -- files

    def _write_files(self) -> None:
        authority = pki.Authority(self.directory / "pki")
        self.ca_file = authority.cert_file
        self._serving = authority.server(
            "apiserver",
            "kube-apiserver",
            [
                "localhost",
                HOST,
                str(ip_network(self._service_cidr)[1]),
                "kubernetes",
                "kubernetes.default",
                "kubernetes.default.svc",
                "kubernetes.default.svc.cluster.local",
            ],
        )
        self._kubelet_client = authority.client(
            "apiserver-kubelet-client", "kube-apiserver-kubelet-client", "system:masters"
        )
        admin = authority.client("admin", "kubernetes-admin", "system:masters")
        self.client_cert, self.client_key = admin.cert, admin.key
        self._system = authority.client("system", "localcloud:system", "system:masters")
        self._service_account_key = pki.service_account_key(self.directory / "pki" / "service-accounts.key")
        self.kubeconfig = self._write_kubeconfig("admin", admin)
        self.system_kubeconfig = self._write_kubeconfig("system", self._system)
        self._kubeconfigs = {
            "kube-controller-manager": self._write_kubeconfig(
                "kube-controller-manager", authority.client("controller-manager", "system:kube-controller-manager")
            ),
            "kube-scheduler": self._write_kubeconfig(
                "kube-scheduler", authority.client("scheduler", "system:kube-scheduler")
            ),
            "kwok": self._write_kubeconfig("kwok", authority.client("kwok", "localcloud:kwok", "system:masters")),
        }
        self._egress_file = self.directory / "egress.yaml"
        if self._egress is not None:
            write_whole(self._egress_file, yaml.safe_dump(_egress_selector(self._egress)))
        self._audit_policy = self.directory / "audit-policy.yaml"
        write_whole(self._audit_policy, yaml.safe_dump(AUDIT_POLICY))
        self._webhook_file = self.directory / "authentication-webhook.yaml"
        if self._webhook_url:
            # The file contains the secret with which the AWS API identifies this cluster.
            write_whole(self._webhook_file, yaml.safe_dump(_webhook(self._webhook_url)), 0o600)

    def _write_kubeconfig(self, stem: str, pair: pki.KeyPair) -> Path:
        path = self.directory / f"{stem}.kubeconfig"
        name = self.directory.name
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {"name": name, "cluster": {"server": self.endpoint, "certificate-authority": str(self.ca_file)}}
            ],
            "users": [{"name": stem, "user": {"client-certificate": str(pair.cert), "client-key": str(pair.key)}}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": stem}}],
            "current-context": name,
        }
        write_whole(path, yaml.safe_dump(content), 0o600)
        return path

    # -- programs

    def _start_api_server(self) -> None:
        arguments = [
            f"--etcd-servers={self._etcd.endpoint}",
            f"--etcd-prefix={self.prefix}",
            f"--bind-address={HOST}",
            f"--secure-port={self.port}",
            # Documentation address (RFC 5737): it is not used, and a machine without a network has no other.
            "--advertise-address=192.0.2.1",
            "--endpoint-reconciler-type=none",
            f"--tls-cert-file={self._serving.cert}",
            f"--tls-private-key-file={self._serving.key}",
            f"--client-ca-file={self.ca_file}",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={self._service_account_key}",
            f"--service-account-signing-key-file={self._service_account_key}",
            f"--service-cluster-ip-range={self._service_cidr}",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            "--allow-privileged=true",
            "--enable-priority-and-fairness=false",
            "--profiling=false",
            "--event-ttl=15m",
            f"--audit-policy-file={self._audit_policy}",
            f"--audit-log-path={self.audit_log}",
            "--audit-log-maxsize=100",
            "--audit-log-maxbackup=1",
            *self._emulation(),
            *self.arguments,
        ]
        if self._webhook_url:
            arguments += [
                f"--authentication-token-webhook-config-file={self._webhook_file}",
                "--authentication-token-webhook-version=v1",
                "--authentication-token-webhook-cache-ttl=10s",
            ]
        if self._egress is not None:
            arguments += [
                f"--egress-selector-config-file={self._egress_file}",
                f"--kubelet-certificate-authority={self.ca_file}",
                f"--kubelet-client-certificate={self._kubelet_client.cert}",
                f"--kubelet-client-key={self._kubelet_client.key}",
                "--kubelet-preferred-address-types=InternalIP",
            ]
        environment = {"GOMEMLIMIT": "600MiB", "GOGC": "100", "GOMAXPROCS": "2"}
        server = self._run("kube-apiserver", arguments, environment)
        wait_ready(server, lambda: self._answers("/readyz"), self._progress)
        wait_ready(server, lambda: self._answers("/api/v1/namespaces/default"), self._progress)

    def _start_extra(self, name: str) -> None:
        kubeconfig = self._kubeconfigs[name]
        if name == "kube-controller-manager":
            arguments = [
                f"--kubeconfig={kubeconfig}",
                f"--root-ca-file={self.ca_file}",
                f"--service-account-private-key-file={self._service_account_key}",
                "--use-service-account-credentials=true",
                "--leader-elect=false",
                "--secure-port=0",
                "--profiling=false",
                "--kube-api-qps=200",
                "--kube-api-burst=400",
                # Simulated nodes attach no volumes and request no certificates.
                "--controllers=*,-persistentvolume-attach-detach-controller,-certificatesigningrequest-signing-controller,"
                "-certificatesigningrequest-approving-controller,-certificatesigningrequest-cleaner-controller",
                # Nodes must not become NotReady on a busy machine.
                "--node-monitor-period=20s",
                "--node-monitor-grace-period=5m",
                *self._emulation(),
            ]
            self._run(name, arguments, {"GOMEMLIMIT": "220MiB", "GOGC": "50", "GOMAXPROCS": "2"})
        elif name == "kube-scheduler":
            arguments = [
                f"--kubeconfig={kubeconfig}",
                f"--authentication-kubeconfig={kubeconfig}",
                f"--authorization-kubeconfig={kubeconfig}",
                "--leader-elect=false",
                "--secure-port=0",
                "--profiling=false",
                "--kube-api-qps=200",
                "--kube-api-burst=400",
                *self._emulation(),
            ]
            self._run(name, arguments, {"GOMEMLIMIT": "120MiB", "GOGC": "50", "GOMAXPROCS": "2"})
        elif name == "kwok":
            arguments = [
                # First, because kwok reads it before its other options.
                f"--config={KWOK_CONFIG}",
                f"--kubeconfig={kubeconfig}",
                "--manage-all-nodes=false",
                f"--manage-nodes-with-annotation-selector={KWOK_NODES}",
                # A restarted kwok manages its nodes only after the leases of the previous process have expired.
                "--node-lease-duration-seconds=8",
            ]
            self._run(name, arguments, {"GOMEMLIMIT": "90MiB", "GOGC": "50", "GOMAXPROCS": "2"})
        else:
            raise ValueError(f"unknown part of a control plane: {name}")

    def _run(self, name: str, arguments: Sequence[str], environment: dict[str, str]) -> Process:
        process = self._supervisor.start(
            f"{name} {self.directory.name}",
            [self._binaries.resolve(name), *arguments],
            self.directory / f"{name}.log",
            environment,
        )
        self._processes.append(process)
        return process

    def _emulation(self) -> list[str]:
        newest = playable(self._binaries)[-1]
        return [] if self.version == newest else [f"--emulated-version={self.version}"]


def _webhook(url: str) -> dict[str, Any]:
    """Return the configuration of the API server's webhook token authenticator, in the format of a kubeconfig."""
    name = "aws"
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {"server": url}}],
        "users": [{"name": name, "user": {}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
    }


def _egress_selector(socket: Path) -> dict[str, object]:
    """Return the egress selector that sends traffic to nodes, pods and Services through a proxy."""
    connection = {"proxyProtocol": "HTTPConnect", "transport": {"uds": {"udsName": str(socket)}}}
    return {
        "apiVersion": "apiserver.k8s.io/v1beta1",
        "kind": "EgressSelectorConfiguration",
        "egressSelections": [{"name": "cluster", "connection": connection}],
    }


def playable(binaries: Binaries) -> tuple[str, ...]:
    """Return the minor versions that the pinned programs can emulate, oldest first."""
    major, minor = binaries.version("kube-apiserver").split(".")[:2]
    return tuple(f"{major}.{number}" for number in range(int(minor) - EMULATED_MINORS, int(minor) + 1))


def check_version(version: str, binaries: Binaries) -> None:
    """Raise unless the programs can emulate a Kubernetes minor version."""
    minors = playable(binaries)
    if version not in minors:
        raise LocalCloudError(
            f"Kubernetes {version} is not available here: the control planes support {', '.join(minors)}"
        )
