# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Roots, issuers and certificates of any age."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
MEMBERS = {"controlplane": {"purpose": "controlplane"}, "staging": {"purpose": "workload"}}
RESERVED = ("f.internal", "kafka.svc")
PEM = serialization.Encoding.PEM


@functools.cache
def key(name: str) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(int.from_bytes(name.encode().ljust(24, b"x")), ec.SECP256R1())


def private(name: str) -> str:
    return key(name).private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()


@functools.cache
def certificate(
    name: str,
    signer: str,
    days: int,
    *,
    names: tuple[str, ...] = (),
    excluded: tuple[str, ...] = (),
    age: int | None = None,
) -> str:
    """A certificate that ends ``days`` from now and is ``age`` days old, which may be less than nothing."""
    own, signing = key(name), key(signer)
    builder = x509.CertificateBuilder(
        x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, signer)]),
        x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]),
        own.public_key(),
        abs(hash((name, signer, days))) + 1,
        NOW - timedelta(days=max(1 - days, 0) if age is None else age, hours=1),
        NOW + timedelta(days=days),
    )
    extensions: list[x509.ExtensionType] = [
        x509.SubjectKeyIdentifier.from_public_key(own.public_key()),
        x509.AuthorityKeyIdentifier.from_issuer_public_key(signing.public_key()),
    ]
    if names:
        extensions.append(x509.SubjectAlternativeName([x509.DNSName(one) for one in names]))
    if excluded:
        extensions.append(x509.NameConstraints(None, [x509.DNSName(one) for one in excluded]))
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(signing, hashes.SHA256()).public_bytes(PEM).decode()


def root(name: str = "root", days: int = 3650, **options: Any) -> dict[str, Any]:
    return {"certificate": certificate(name, name, days, **options), "private_key": private(name)}


def issuer(
    member: str, days: int = 1095, signer: str = "root", excluded: Iterable[str] = RESERVED, ca: str | None = None
) -> dict[str, str]:
    excluded = () if member == "controlplane" else tuple(excluded)
    made = certificate(member, signer, days, excluded=excluded)
    bundle = root(signer)["certificate"] if ca is None else ca
    return {"ca": bundle, "certificate": made, "private_key": private(member)}


def leaf(name: str, member: str = "staging", days: int = 365, names: tuple[str, ...] = ("a", "b")) -> dict[str, str]:
    chain = certificate(name, member, days, names=names) + issuer(member)["certificate"]
    return {"certificate": chain, "private_key": private(name)}
