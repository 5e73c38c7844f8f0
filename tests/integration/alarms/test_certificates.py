# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Telegraf, with the configuration of the role prometheus, measures the expiry of certificates.

In its configuration only paths, ports and addresses are others, and the time between two looks.
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.tests.integration.certificates import Issuer
from ansible_collections.dataplatform.fleet.tests.integration.prometheus.real import running
from ansible_collections.dataplatform.fleet.tests.unit.roles.rendering import only, render_role
from cryptography import x509

from localcloud.artifacts.programs import go_program
from localcloud.host.loopback import HOST, fetch, free_port
from localcloud.testing import eventually
from observability import catalogue
from observability.catalogue.exposition import samples

pytestmark = pytest.mark.integration
FOLDER = "/etc/telegraf-certificates"
Sample = tuple[dict[str, str], float]


def ends(pem: str) -> dict[str, float]:
    """Return the end of each certificate of a bundle, by its serial number."""
    found = x509.load_pem_x509_certificates(pem.encode())
    return {f"{one.serial_number:x}": one.not_valid_after_utc.timestamp() for one in found}


class Listener:
    """A TLS server that only serves its certificate, like Kafka before a login."""

    def __init__(self, folder: Path, certificate: str, key: str) -> None:
        (folder / "listener.pem").write_text(certificate + key)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(folder / "listener.pem")
        self._socket = socket.create_server((HOST, 0))
        self.port = int(self._socket.getsockname()[1])
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                try:
                    with self._context.wrap_socket(connection, server_side=True) as secure:
                        secure.recv(1)
                except OSError:
                    continue

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()


class Telegraf:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root, self.next_root = Issuer("dataplatform root"), Issuer("dataplatform root")
        issuer = Issuer("dataplatform staging", by=self.root)
        self.certificates = {name: issuer.issue(name, [name])[0] for name in ("node-exporter", "prometheus")}
        shown, key = issuer.issue("grafana", ["localhost"])
        self.shown = shown
        self.listener = Listener(folder, shown, key)
        self.objects = render_role(
            "prometheus",
            prometheus_certificates=self.certificates,
            prometheus_ca=self.next_root.pem + self.root.pem,
            prometheus_tls_endpoints=[f"localhost:{self.listener.port}"],
            prometheus_kafka_bootstrap=f"localhost:{free_port()}",
        )
        self.port = free_port()

    def run(self) -> Any:
        data = only(self.objects, "ConfigMap", "prometheus-certificates")["data"]
        # As the kubelet mounts it: each file is a link into a folder that is replaced as a whole.
        mounted = self.folder / "certificates"
        (mounted / "..2026").mkdir(parents=True)
        (mounted / "..data").symlink_to("..2026")
        for name, text in data.items():
            (mounted / "..2026" / name).write_text(text)
            (mounted / name).symlink_to(f"..data/{name}")
        text = only(self.objects, "ConfigMap", "prometheus-telegraf")["data"]["telegraf.conf"]
        for there, here in {
            FOLDER: str(mounted),
            "127.0.0.1:9201": f"{HOST}:{free_port()}",
            "127.0.0.1:9273": f"{HOST}:{self.port}",
            "/etc/telegraf-ca/ca.crt": str(mounted / "roots.pem"),
            'interval = "30s"': 'interval = "1s"',
        }.items():
            assert there in text
            text = text.replace(there, here)
        (self.folder / "telegraf.conf").write_text(text)
        environment = {"KAFKA_USERNAME": "staging", "KAFKA_PASSWORD": "x"}
        command: list[str | Path] = [go_program("telegraf"), "--config", self.folder / "telegraf.conf"]
        return running(command, self.folder, "telegraf", environment)

    def page(self) -> str:
        """Return the page once all is on it: two files and a listener with an issuer each, and two roots."""
        text = fetch(f"http://{HOST}:{self.port}/metrics").decode()
        return text if text.count("\nx509_cert_enddate{") == 2 * len(self.certificates) + 2 + 2 else ""


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Telegraf, list[Sample]]]:
    telegraf = Telegraf(tmp_path_factory.mktemp("certificates"))
    try:
        with telegraf.run():
            page = eventually(telegraf.page, log=telegraf.folder / "telegraf.log")
    finally:
        telegraf.listener.close()
    lines = [line for line in page.splitlines() if line.startswith("x509_cert")]
    values = [float(line.rpartition(" ")[2]) for line in lines]
    parsed = list(samples("\n".join(lines)))
    assert {name for name, _ in parsed} == {"x509_cert_enddate"}
    yield telegraf, [(labels, value) for (_, labels), value in zip(parsed, values, strict=True)]


def of(found: list[Sample], kind: str) -> list[Sample]:
    return [(labels, value) for labels, value in found if labels["kind"] == kind]


def test_each_certificate_and_its_issuer(measured: tuple[Telegraf, list[Sample]]) -> None:
    telegraf, found = measured
    for name, pem in telegraf.certificates.items():
        mine = [one for one in of(found, "certificate") if one[0]["source"].endswith(f"/{name}.crt")]
        assert {labels["common_name"] for labels, _ in mine} == {name, "dataplatform staging"}
        assert {labels["serial_number"]: value for labels, value in mine} == ends(pem)


def test_roots_of_one_name_are_distinguished(measured: tuple[Telegraf, list[Sample]]) -> None:
    telegraf, found = measured
    roots = of(found, "root")
    assert {labels["serial_number"]: value for labels, value in roots} == ends(
        telegraf.root.pem + telegraf.next_root.pem
    )
    assert {labels["common_name"] for labels, _ in roots} == {"dataplatform root"}


def test_certificates_of_listeners(measured: tuple[Telegraf, list[Sample]]) -> None:
    telegraf, found = measured
    shown = of(found, "listener")
    assert {labels["serial_number"]: value for labels, value in shown} == ends(telegraf.shown)
    assert {labels["source"] for labels, _ in shown} == {f"tcp://localhost:{telegraf.listener.port}"}


def test_the_labels_are_those_of_the_catalogue(measured: tuple[Telegraf, list[Sample]]) -> None:
    _, found = measured
    (listed,) = (one for one in catalogue.read("telegraf") if one.name == "x509_cert_enddate")
    assert {frozenset(labels) for labels, _ in found} == {listed.labels - catalogue.TARGET_LABELS["telegraf"]}
