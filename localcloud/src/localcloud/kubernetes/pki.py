# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates of a control plane: a CA, a serving certificate, client certificates, a service account key."""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from localcloud.host.files import write_whole

VALIDITY = datetime.timedelta(days=3650)
# Clocks of virtual machines can be late after a suspend, and go back when they are set.
BACKDATE = datetime.timedelta(days=1)


@dataclass(frozen=True)
class KeyPair:
    """The paths of a certificate and its private key."""

    cert: Path
    key: Path


class Authority:
    """A certificate authority in a directory.

    Certificates have the Subject and Authority Key Identifiers that RFC 5280 requires: Python 3.13 verifies with
    ``VERIFY_X509_STRICT`` and rejects chains without them.
    """

    def __init__(self, directory: Path, common_name: str = "kubernetes") -> None:
        self.directory = directory
        self.cert_file = directory / "ca.crt"
        self._key_file = directory / "ca.key"
        directory.mkdir(parents=True, exist_ok=True)
        if self.cert_file.exists() and self._key_file.exists():
            self._cert = x509.load_pem_x509_certificate(self.cert_file.read_bytes())
            key = serialization.load_pem_private_key(self._key_file.read_bytes(), None)
            if not isinstance(key, ec.EllipticCurvePrivateKey):
                raise TypeError(f"{self._key_file} is not an elliptic-curve key")
            self._key = key
            return
        self._key = ec.generate_private_key(ec.SECP256R1())
        name = _name(common_name)
        self._cert = (
            _builder(name, name, self._key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(ca=True), critical=True)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        _write_private(self._key_file, _pem(self._key))
        # The certificate is written after its key, here and below: if it exists, both exist.
        write_whole(self.cert_file, self._cert.public_bytes(serialization.Encoding.PEM))

    def server(self, stem: str, common_name: str, names: Iterable[str]) -> KeyPair:
        """Issue a serving certificate for host names and IP addresses."""
        alternatives = x509.SubjectAlternativeName([_general_name(name) for name in names])
        return self._issue(stem, _name(common_name), ExtendedKeyUsageOID.SERVER_AUTH, alternatives)

    def client(self, stem: str, user: str, *groups: str) -> KeyPair:
        """Issue a client certificate of a Kubernetes user with groups."""
        return self._issue(stem, _name(user, *groups), ExtendedKeyUsageOID.CLIENT_AUTH, None)

    def _issue(
        self,
        stem: str,
        subject: x509.Name,
        usage: x509.ObjectIdentifier,
        alternatives: x509.SubjectAlternativeName | None,
    ) -> KeyPair:
        pair = KeyPair(self.directory / f"{stem}.crt", self.directory / f"{stem}.key")
        if pair.cert.exists() and pair.key.exists():
            return pair
        key = ec.generate_private_key(ec.SECP256R1())
        builder = (
            _builder(subject, self._cert.subject, key.public_key())
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(ca=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        if alternatives is not None:
            builder = builder.add_extension(alternatives, critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        _write_private(pair.key, _pem(key))
        write_whole(pair.cert, certificate.public_bytes(serialization.Encoding.PEM))
        return pair


def service_account_key(path: Path) -> Path:
    """Write the key that signs service account tokens, unless it exists."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_private(path, _pem(rsa.generate_private_key(public_exponent=65537, key_size=2048)))
    return path


def _name(common_name: str, *organizations: str) -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, value) for value in organizations]
    return x509.Name([*attributes, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATE)
        .not_valid_after(now + VALIDITY)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _key_usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write_private(path: Path, data: bytes) -> None:
    write_whole(path, data, 0o600)
