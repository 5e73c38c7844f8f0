# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates that are created, as the verifier of the library cryptography and community.crypto see them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ansible_collections.community.crypto.plugins.filter.x509_certificate_info import FilterModule
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._pki.certificates import TIME, belongs, load
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._pki.signing import Wanted, create
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509 import verification

NAMES = ("prometheus.agents.svc", "platform-metrics")
RESERVED = ("internal.example", "kafka.svc")


def until(days: int) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).strftime(TIME)


def signed(by: dict[str, str], wanted: Wanted) -> dict[str, str]:
    return create(wanted, by["certificate"], by["private_key"])


@pytest.fixture(scope="module")
def root() -> dict[str, str]:
    return create(Wanted("acme root 2036", until(3650), path_length=1))


@pytest.fixture(scope="module")
def issuer(root: dict[str, str]) -> dict[str, str]:
    return signed(root, Wanted("acme staging", until(1095), path_length=0, excluded=RESERVED))


@pytest.fixture(scope="module")
def server(issuer: dict[str, str]) -> dict[str, str]:
    return signed(issuer, Wanted("prometheus", until(365), names=NAMES))


def verified(root: dict[str, str], chain: list[dict[str, str]], name: str) -> list[x509.Certificate]:
    """Return the chain from the server to the root, as a peer that trusts the root only verifies it."""
    store = verification.Store([x509.load_pem_x509_certificate(root["certificate"].encode())])
    leaf, *rest = (x509.load_pem_x509_certificate(one["certificate"].encode()) for one in chain)
    verifier = verification.PolicyBuilder().store(store).build_server_verifier(x509.DNSName(name))
    return verifier.verify(leaf, rest)


def test_a_peer_that_trusts_the_root_accepts_the_server(
    root: dict[str, str], issuer: dict[str, str], server: dict[str, str]
) -> None:
    assert len(verified(root, [server, issuer], NAMES[0])) == 3
    with pytest.raises(verification.VerificationError):
        verified(root, [server, issuer], "grafana.grafana.svc")
    with pytest.raises(verification.VerificationError):
        verified(create(Wanted("other", until(10), path_length=1)), [server, issuer], NAMES[0])


@pytest.mark.parametrize("name", ["kafka.svc", "a.kafka.svc", "x.internal.example"])
def test_an_issuer_signs_for_no_reserved_name(root: dict[str, str], issuer: dict[str, str], name: str) -> None:
    theirs = signed(issuer, Wanted("kafka", until(30), names=[name]))
    with pytest.raises(verification.VerificationError):
        verified(root, [theirs, issuer], name)


def test_a_peer_that_does_not_know_name_constraints_refuses_an_issuer_with_them(issuer: dict[str, str]) -> None:
    certificate = x509.load_pem_x509_certificate(issuer["certificate"].encode())
    assert certificate.extensions.get_extension_for_class(x509.NameConstraints).critical


def test_an_issuer_makes_no_further_authority(root: dict[str, str], issuer: dict[str, str]) -> None:
    below = signed(issuer, Wanted("below", until(30), path_length=0))
    server = signed(below, Wanted("web", until(10), names=["web.example.com"]))
    with pytest.raises(verification.VerificationError):
        verified(root, [server, below, issuer], "web.example.com")


def test_the_private_key_is_the_certificates(server: dict[str, str]) -> None:
    certificate = load(server["certificate"])
    assert certificate is not None
    assert belongs(server["private_key"], certificate)
    assert server["private_key"].startswith("-----BEGIN PRIVATE KEY-----\n")
    assert create(Wanted("a", until(1), path_length=0)) != create(Wanted("a", until(1), path_length=0))


USAGE = ("basic_constraints", "key_usage", "extended_key_usage", "subject_alt_name")


@pytest.mark.parametrize(
    ("which", "expected"),
    [
        ("root", [["CA:TRUE", "pathlen:1"], ["CRL Sign", "Certificate Sign"], None, None]),
        ("issuer", [["CA:TRUE", "pathlen:0"], ["CRL Sign", "Certificate Sign"], None, None]),
        (
            "server",
            [
                ["CA:FALSE"],
                ["Digital Signature"],
                ["TLS Web Client Authentication", "TLS Web Server Authentication"],
                [f"DNS:{name}" for name in NAMES],
            ],
        ),
    ],
)
def test_its_fields(which: str, expected: list[Any], request: pytest.FixtureRequest) -> None:
    pem = request.getfixturevalue(which)["certificate"]
    found = FilterModule().filters()["x509_certificate_info"](pem)
    assert [found.get(name) for name in USAGE] == expected
    assert found["basic_constraints_critical"]
    assert found["key_usage_critical"]
    assert found["public_key_data"]["curve"] == "secp256r1"
    assert found["signature_algorithm"] == "ecdsa-with-SHA256"
    assert found["version"] == 3
    assert found["subject_key_identifier"]
    certificate = x509.load_pem_x509_certificate(pem.encode())
    before = datetime.now(UTC) - certificate.not_valid_before_utc
    assert timedelta(hours=1) <= before < timedelta(hours=2)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"certificate": "nothing"}, "The certificate of the issuer cannot be read."),
        ({"private_key": "nothing"}, "The private key of the issuer cannot be read."),
        ({"private_key": None}, "The private key of the issuer is not the one of its certificate."),
    ],
)
def test_an_invalid_issuer_is_refused(root: dict[str, str], changed: dict[str, str | None], words: str) -> None:
    other = create(Wanted("other", until(10), path_length=1))
    by = {key: other[key] if value is None else value for key, value in (root | changed).items()}
    with pytest.raises(ValueError, match=f"^{words}$"):
        signed(by, Wanted("web", until(10), names=["web.example.com"]))


def test_a_key_is_readable_by_other_libraries(server: dict[str, str]) -> None:
    assert serialization.load_pem_private_key(server["private_key"].encode(), None)
