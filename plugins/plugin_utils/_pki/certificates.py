# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a certificate decides whether it has to be renewed. Pure."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from ansible.errors import AnsibleFilterError
from ansible_collections.dataplatform.fleet.plugins.module_utils._libraries import needed

with contextlib.suppress(ImportError):  # `load`, which comes first, says so
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization
    from cryptography.x509.oid import ExtensionOID

# ASN.1's UTC form, which the action x509_certificates takes.
TIME = "%Y%m%d%H%M%SZ"
END = "-----END CERTIFICATE-----\n"


@dataclass(frozen=True)
class Certificate:
    """A certificate's fields."""

    pem: str
    not_before: datetime
    not_after: datetime
    names: frozenset[str]
    excluded: frozenset[str]
    key: bytes
    key_id: bytes
    issuer_key_id: bytes

    def days_left(self, now: datetime) -> float:
        return (self.not_after - now).total_seconds() / 86400


@lru_cache(maxsize=512)
def load(pem: str) -> Certificate | None:
    """Return the first certificate of ``pem``, or None if it is none."""
    with needed("cryptography", AnsibleFilterError):
        import cryptography  # noqa: F401, PLC0415
    try:
        found = x509.load_pem_x509_certificate(pem.encode())
    except ValueError:
        return None
    return Certificate(
        first(pem),
        found.not_valid_before_utc,
        found.not_valid_after_utc,
        _names(found),
        _excluded(found),
        _public(found.public_key()),
        _subject_key_id(found),
        _authority_key_id(found),
    )


@lru_cache(maxsize=512)
def belongs(private_key: str, certificate: Certificate) -> bool:
    """Whether a private key is the one of the certificate."""
    try:
        key = serialization.load_pem_private_key(private_key.encode(), None)
    except (ValueError, TypeError):
        return False
    return _public(key.public_key()) == certificate.key


def split(pem: str) -> list[str]:
    """Return the certificates of a bundle, each with its end of line."""
    return [part.lstrip() + END for part in pem.replace("\r\n", "\n").split(END)[:-1]]


def first(pem: str) -> str:
    return next(iter(split(pem if pem.endswith("\n") else pem + "\n")), "")


def join(pems: Iterable[str]) -> str:
    """Return a bundle, without doubles, in the given order."""
    return "".join(dict.fromkeys(first(pem) for pem in pems))


def _public(key: object) -> bytes:
    der: bytes = key.public_bytes(  # type: ignore[attr-defined]
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return der


def _names(certificate: x509.Certificate) -> frozenset[str]:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return frozenset()
    return frozenset(extension.value.get_values_for_type(x509.DNSName))


def _excluded(certificate: x509.Certificate) -> frozenset[str]:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.NameConstraints)
    except x509.ExtensionNotFound:
        return frozenset()
    return frozenset(name.value for name in extension.value.excluded_subtrees or [] if isinstance(name, x509.DNSName))


def _subject_key_id(certificate: x509.Certificate) -> bytes:
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    except x509.ExtensionNotFound:
        return b""


def _authority_key_id(certificate: x509.Certificate) -> bytes:
    try:
        extension = certificate.extensions.get_extension_for_oid(ExtensionOID.AUTHORITY_KEY_IDENTIFIER)
    except x509.ExtensionNotFound:
        return b""
    return extension.value.key_identifier or b""  # type: ignore[attr-defined]
