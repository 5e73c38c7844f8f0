# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import socket
import ssl
import threading
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from localcloud.kubernetes import pki


def load(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def handshake(authority: pki.Authority, server: pki.KeyPair, client: pki.KeyPair, name: str) -> str:
    """Connect with strict verification on both sides; return the client's common name as received by the server."""
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(server.cert, server.key)
    server_context.load_verify_locations(authority.cert_file)
    server_context.verify_mode = ssl.CERT_REQUIRED
    client_context = ssl.create_default_context(cafile=str(authority.cert_file))
    client_context.load_cert_chain(client.cert, client.key)
    for context in (server_context, client_context):
        context.verify_flags |= ssl.VERIFY_X509_STRICT
    left, right = socket.socketpair()
    seen: list[str] = []

    def serve() -> None:
        with right, server_context.wrap_socket(right, server_side=True) as stream:
            subject = dict(item[0] for item in stream.getpeercert()["subject"])
            seen.append(subject["commonName"])
            stream.recv(1)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with left, client_context.wrap_socket(left, server_hostname=name) as stream:
            stream.send(b"x")
    finally:
        thread.join()
    return seen[0]


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_strict_verification_accepts_the_chain(tmp_path: Path, name: str) -> None:
    authority = pki.Authority(tmp_path)
    server = authority.server("server", "kube-apiserver", ["localhost", "127.0.0.1"])
    assert handshake(authority, server, authority.client("admin", "me", "system:masters"), name) == "me"


def test_another_authority_is_refused(tmp_path: Path) -> None:
    ours, foreign = pki.Authority(tmp_path / "ours"), pki.Authority(tmp_path / "foreign")
    server = foreign.server("server", "kube-apiserver", ["localhost"])
    context = ssl.create_default_context(cafile=str(ours.cert_file))
    left, right = socket.socketpair()
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(server.cert, server.key)

    def serve() -> None:
        with right, pytest.raises((ssl.SSLError, OSError)):
            server_context.wrap_socket(right, server_side=True)

    thread = threading.Thread(target=serve)
    thread.start()
    with left, pytest.raises(ssl.SSLCertVerificationError):
        context.wrap_socket(left, server_hostname="localhost")
    thread.join()


def test_client_certificates_carry_user_and_groups(tmp_path: Path) -> None:
    pair = pki.Authority(tmp_path).client("dev", "jane", "team-a", "team-b")
    subject = load(pair.cert).subject
    assert [item.value for item in subject.get_attributes_for_oid(NameOID.COMMON_NAME)] == ["jane"]
    assert [item.value for item in subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)] == ["team-a", "team-b"]


def test_key_identifiers_link_certificate_and_authority(tmp_path: Path) -> None:
    authority = pki.Authority(tmp_path)
    pair = authority.client("dev", "jane")
    own = load(authority.cert_file).extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    issuer = load(pair.cert).extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    assert issuer == own


def test_a_second_start_reuses_everything(tmp_path: Path) -> None:
    first = pki.Authority(tmp_path)
    certificate = first.client("dev", "jane").cert.read_bytes()
    key = pki.service_account_key(tmp_path / "sa.key").read_bytes()
    second = pki.Authority(tmp_path)
    assert second.cert_file.read_bytes() == first.cert_file.read_bytes()
    assert second.client("dev", "jane").cert.read_bytes() == certificate
    assert pki.service_account_key(tmp_path / "sa.key").read_bytes() == key


def test_private_keys_are_private(tmp_path: Path) -> None:
    authority = pki.Authority(tmp_path)
    pair = authority.client("dev", "jane")
    for path in (pair.key, tmp_path / "ca.key", pki.service_account_key(tmp_path / "sa.key")):
        assert path.stat().st_mode & 0o077 == 0
