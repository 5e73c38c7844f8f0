# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Create private keys and X.509 certificates with the library cryptography."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ansible_collections.dataplatform.fleet.plugins.plugin_utils._pki.certificates import TIME

with contextlib.suppress(ImportError):  # the action says so
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_CLOCKS_DIFFER = timedelta(hours=1)
"""How far a peer's clock may be behind when it sees a new certificate."""


@dataclass(frozen=True)
class Wanted:
    """A certificate to create.

    With a ``path_length`` it is a certificate authority's: as many authorities can follow in a chain. ``excluded`` are
    the DNS domains that such an authority cannot sign for. ``not_after`` is in the form of `certificates.TIME`.
    """

    common_name: str
    not_after: str
    names: Sequence[str] = ()
    path_length: int | None = None
    excluded: Sequence[str] = ()


def create(wanted: Wanted, issuer_certificate: str | None = None, issuer_private_key: str = "") -> dict[str, str]:
    """Return a new ``private_key`` (P-256, PKCS #8) and its ``certificate``, both as PEM.

    Where ``issuer_certificate`` is None the certificate is signed with its own key.

    Raises ValueError if the issuer or a field is invalid. The message has no part of a key.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, wanted.common_name)])
    issuer = None if issuer_certificate is None else _issuer(issuer_certificate)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - _CLOCKS_DIFFER)
        .not_valid_after(datetime.strptime(wanted.not_after, TIME).replace(tzinfo=UTC))
    )
    for extension, critical in _extensions(wanted):
        builder = builder.add_extension(extension, critical)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    signer: object = key
    if issuer:
        identifier = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        authority = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)
        builder = builder.add_extension(authority, critical=False)
        signer = _signer(issuer, issuer_private_key)
    certificate = builder.sign(signer, hashes.SHA256())  # type: ignore[arg-type]
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return {
        "certificate": certificate.public_bytes(serialization.Encoding.PEM).decode(),
        "private_key": private.decode(),
    }


def _extensions(wanted: Wanted) -> list[tuple[x509.ExtensionType, bool]]:
    """Each extension of the subject, and whether it is critical."""
    authority = wanted.path_length is not None
    found: list[tuple[x509.ExtensionType, bool]] = [
        (x509.BasicConstraints(ca=authority, path_length=wanted.path_length), True),
        (_key_usage(authority=authority), True),
    ]
    if not authority:
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
        found.append((usage, False))
    if wanted.names:
        found.append((x509.SubjectAlternativeName([x509.DNSName(name) for name in wanted.names]), False))
    if wanted.excluded:
        excluded = [x509.DNSName(name) for name in wanted.excluded]
        found.append((x509.NameConstraints(permitted_subtrees=None, excluded_subtrees=excluded), True))
    return found


def _key_usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _issuer(certificate: str) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(certificate.encode())
    except ValueError:
        raise ValueError("The certificate of the issuer cannot be read.") from None


def _signer(issuer: x509.Certificate, private_key: str) -> ec.EllipticCurvePrivateKey:
    try:
        found = serialization.load_pem_private_key(private_key.encode(), None)
    except (ValueError, TypeError):
        raise ValueError("The private key of the issuer cannot be read.") from None
    if not isinstance(found, ec.EllipticCurvePrivateKey) or found.public_key() != issuer.public_key():
        raise ValueError("The private key of the issuer is not the one of its certificate.")
    return found
