# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates like those of the role pki: a fleet's CA, a member's issuer, and its certificates.

trustme makes what a listener shows. It gives a CA no common name, which alarms about certificates show.
"""

from __future__ import annotations

import datetime
from pathlib import Path

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

_START = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
_END = _START + datetime.timedelta(days=30)
_USES = "digital_signature content_commitment key_encipherment data_encipherment key_agreement key_cert_sign crl_sign"


class Issuer:
    """A certificate that issues others; its own issuer without ``by``."""

    def __init__(self, name: str, by: Issuer | None = None) -> None:
        key = self._key = ec.generate_private_key(ec.SECP256R1())
        subject = self._subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        signer = key if by is None else by._key
        uses = dict.fromkeys([*_USES.split(), "encipher_only", "decipher_only"], False)
        certificate = (
            x509.CertificateBuilder(
                subject if by is None else by._subject,
                subject,
                key.public_key(),
                x509.random_serial_number(),
                _START,
                _END,
            )
            .add_extension(x509.BasicConstraints(ca=True, path_length=None if by is None else 0), critical=True)
            .add_extension(x509.KeyUsage(**uses | {"key_cert_sign": True, "crl_sign": True}), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
            .sign(signer, hashes.SHA256())
        )
        self.pem = certificate.public_bytes(serialization.Encoding.PEM).decode()
        self._authority = trustme.CA.from_pem(self.pem.encode(), _pkcs8(key))

    def issue(self, name: str, hosts: list[str]) -> tuple[str, str]:
        """Return a certificate with this issuer's, and its private key."""
        made = self._authority.issue_cert(*hosts, common_name=name, not_before=_START, not_after=_END)
        key = serialization.load_pem_private_key(made.private_key_pem.bytes(), None)
        return made.cert_chain_pems[0].bytes().decode() + self.pem, _pkcs8(key).decode()


def _pkcs8(key: PrivateKeyTypes) -> bytes:
    """Return a key in the one form that Kafka reads."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def server_certificate(folder: Path) -> tuple[Path, Path, Path]:
    """Return the files of a CA, of a certificate of localhost and platform-metrics, and of its private key."""
    ca = Issuer("ca")
    files = folder / "ca.crt", folder / "tls.crt", folder / "tls.key"
    for file, text in zip(files, (ca.pem, *ca.issue("server", ["localhost", "platform-metrics"])), strict=True):
        file.write_text(text)
    return files
