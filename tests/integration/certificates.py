# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A CA and a certificate of localhost with it, as the role pki makes them: EC keys, PKCS#8."""

from __future__ import annotations

import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


def server_certificate(folder: Path) -> tuple[Path, Path, Path]:
    """Return the files of the CA, the certificate and its private key."""
    start = datetime.datetime.now(datetime.UTC) - datetime.timedelta(minutes=5)
    names = {who: x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, who)]) for who in ("ca", "server")}
    keys = {who: ec.generate_private_key(ec.SECP256R1()) for who in names}
    files = {file: folder / file for file in ("ca.crt", "tls.crt", "tls.key")}
    for who, name in names.items():
        builder = (
            x509.CertificateBuilder(
                names["ca"],
                name,
                keys[who].public_key(),
                x509.random_serial_number(),
                start,
                start + datetime.timedelta(days=1),
            )
            .add_extension(x509.BasicConstraints(ca=who == "ca", path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(keys[who].public_key()), critical=False)
            # Python 3.13 is strict about this and the CA's key usage.
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(keys["ca"].public_key()), critical=False)
            .add_extension(
                x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.DNSName("platform-metrics")]),
                critical=False,
            )
        )
        if who == "ca":
            names_of_uses = (
                "content_commitment key_encipherment data_encipherment key_agreement encipher_only decipher_only"
            )
            others = dict.fromkeys(names_of_uses.split(), False)
            uses = x509.KeyUsage(digital_signature=True, key_cert_sign=True, crl_sign=True, **others)
            builder = builder.add_extension(uses, critical=True)
        made = builder.sign(keys["ca"], hashes.SHA256())
        files["ca.crt" if who == "ca" else "tls.crt"].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    files["tls.key"].write_bytes(
        keys["server"].private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return files["ca.crt"], files["tls.crt"], files["tls.key"]
