# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When certificates are due, and what becomes of the documents."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._pki import plan
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._pki.certificates import load, split
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
    name: str, signer: str, days: int, *, names: tuple[str, ...] = (), excluded: tuple[str, ...] = (), age: int = 0
) -> str:
    """A certificate that ends ``days`` from now and is ``age`` days old."""
    own, signing = key(name), key(signer)
    builder = x509.CertificateBuilder(
        x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, signer)]),
        x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]),
        own.public_key(),
        abs(hash((name, signer, days))) + 1,
        NOW - timedelta(days=max(age, 1 - days, 0), hours=1),
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


TIMES = plan.Times(now=NOW)


def due_issuers(**documents: dict[str, str]) -> list[str]:
    found = {f"{member}/issuer": document for member, document in documents.items()}
    return [one["name"] for one in plan.issuers(found, MEMBERS, plan.root(root(), TIMES), TIMES, RESERVED)]


def test_the_first_root() -> None:
    planned = plan.root({}, TIMES)
    assert (planned.due, planned.document, planned.bundle) == ("first", {}, "")
    made = planned.made("-----C", "K")
    assert made.document == {"certificate": "-----C", "private_key": "K"}


def test_a_root_that_lives_long_is_left_alone() -> None:
    planned = plan.root(root(), TIMES)
    assert (planned.due, planned.document, planned.notices) == ("", root(), [])
    assert planned.bundle == root()["certificate"]


def test_the_next_root_joins_the_bundle_before_it_signs() -> None:
    old = root(days=1184)
    planned = plan.root(old, TIMES)
    assert planned.due == "next"
    assert "ends on 2030-02-21" in planned.notices[0]
    assert "signs from 2027-02-23 on" in planned.notices[0]
    new = root("second")
    made = planned.made(new["certificate"], new["private_key"])
    assert made.document["certificate"] == old["certificate"], "it does not sign yet"
    assert set(split(made.bundle)) == {old["certificate"], new["certificate"]}
    # The next run keeps waiting, and says so again.
    again = plan.root(made.document, TIMES)
    assert (again.due, again.document, again.bundle) == ("", made.document, made.bundle)
    assert again.notices == planned.notices


def test_the_next_root_signs_after_the_overlap_and_the_old_one_stays_until_its_end() -> None:
    old, new = root(days=1000), root("second", age=91)
    document = {**old, "next_certificate": new["certificate"], "next_private_key": new["private_key"]}
    planned = plan.root(document, TIMES)
    assert planned.due == ""
    assert planned.document == {**new, "previous": [old["certificate"]]}
    assert set(split(planned.bundle)) == {old["certificate"], new["certificate"]}
    ended = plan.root({**new, "previous": [certificate("old", "old", -1)]}, TIMES)
    assert ended.document == new


def test_a_root_that_cannot_sign_any_more_is_replaced_and_stays_known_while_it_lives() -> None:
    lost = plan.root({"certificate": root()["certificate"], "private_key": private("other")}, TIMES)
    assert (lost.due, lost.document) == ("first", {"previous": [root()["certificate"]]})
    assert plan.root(root(days=-1), TIMES).document == {}
    assert plan.root({"certificate": "nonsense", "private_key": "x"}, TIMES).due == "first"


def test_a_root_is_rotated_once() -> None:
    planned = plan.root(root(), TIMES, rotate=True)
    assert planned.due == "next"
    new = root("second")
    assert plan.root(planned.made(new["certificate"], new["private_key"]).document, TIMES, rotate=True).due == ""


def test_stand_ins_of_check_mode() -> None:
    made = plan.root(root(days=100), TIMES).made(plan.STAND_IN, plan.STAND_IN)
    assert made.bundle == plan.STAND_IN + root(days=100)["certificate"]


@pytest.mark.parametrize(
    ("changed", "due"),
    [
        (issuer("staging"), []),
        ({}, ["staging"]),
        (issuer("staging", days=396), []),
        (issuer("staging", days=394), ["staging"]),
        (issuer("staging", signer="unknown"), ["staging"]),
        (issuer("staging", excluded=("other.internal",)), ["staging"]),
        (issuer("staging") | {"private_key": private("other")}, ["staging"]),
        (issuer("staging") | {"certificate": "nonsense"}, ["staging"]),
    ],
)
def test_when_an_issuer_is_due(changed: dict[str, str], due: list[str]) -> None:
    assert due_issuers(controlplane=issuer("controlplane"), staging=changed) == due


def test_issuers_end_with_their_root_and_are_constrained_for_workloads() -> None:
    planned = plan.issuers({}, MEMBERS, plan.root(root(days=1300), TIMES), TIMES, RESERVED)
    assert [one["excluded"] for one in planned] == [[], sorted(RESERVED)]
    assert {one["not_after"] for one in planned} == {"20291124120000Z"}
    planned = plan.issuers({}, MEMBERS, plan.root(root(days=500), TIMES), TIMES, RESERVED)
    assert {one["not_after"] for one in planned} == {"20280408120000Z"}


def test_an_issuer_that_could_get_no_longer_life_is_left_alone() -> None:
    short = plan.root(root(days=100), TIMES)
    found = {"staging/issuer": issuer("staging", days=100)}
    assert plan.issuers(found, {"staging": MEMBERS["staging"]}, short, TIMES, RESERVED) == []


@pytest.mark.parametrize(
    ("live", "due"),
    [
        (leaf("x"), False),
        (None, True),
        (leaf("x", days=31), False),
        (leaf("x", days=29), True),
        (leaf("x", names=("a",)), True),
        (leaf("x") | {"private_key": private("other")}, True),
        (leaf("x", member="controlplane"), True),
        ({"certificate": certificate("x", "staging", 365, names=("a", "b")), "private_key": private("x")}, True),
    ],
)
def test_when_a_certificate_is_due(live: dict[str, str] | None, due: bool) -> None:
    found = plan.certificates({"x": live} if live else {}, issuer("staging"), {"x": ["b", "a"]}, TIMES)
    expected = [{"name": "x", "names": ["a", "b"], "not_after": "20271125120000Z"}]
    assert found == (expected if due else [])


def test_a_certificate_ends_with_its_issuer() -> None:
    signer = issuer("staging", days=20)
    (due,) = plan.certificates({}, signer, {"x": ["a"]}, TIMES)
    assert due["not_after"] == "20261215120000Z"
    chain = certificate("x", "staging", 20, names=("a",)) + signer["certificate"]
    live = {"x": {"certificate": chain, "private_key": private("x")}}
    assert plan.certificates(live, signer, {"x": ["a"]}, TIMES) == [], "the issuer's matter"
    assert "Only the controlplane's run renews it" in plan.issuer_notices("staging", signer, TIMES)[0]
    assert plan.issuer_notices("staging", issuer("staging"), TIMES) == []


@pytest.mark.parametrize(
    ("rotate", "due"), [(["certificates"], 1), (["certificates/x"], 1), (["certificates/y"], 0), (["all"], 0)]
)
def test_certificates_are_rotated(rotate: list[str], due: int) -> None:
    assert len(plan.certificates({"x": leaf("x")}, issuer("staging"), {"x": ["a", "b"]}, TIMES, rotate)) == due


def test_the_documents_of_the_fleet() -> None:
    planned = plan.root(root(), TIMES)
    live = {"staging/issuer": issuer("staging", ca="old"), "staging/kafka": {"username": "staging", "password": "p"}}
    made = {"controlplane": {"certificate": "C", "private_key": "K"}}
    found = {one["name"]: one for one in plan.fleet_documents(live, MEMBERS, planned, made, [])}
    assert found["ca"]["secret"] == root()
    assert found["staging/issuer"]["secret"] == issuer("staging"), "the bundle is new, the issuer is not"
    assert found["controlplane/issuer"]["secret"]["certificate"] == "C"
    assert found["staging/kafka"]["secret"] == {"password": "p"}
    assert len(found["controlplane/kafka"]["secret"]["password"]) == 32
    rotated = {one["name"]: one for one in plan.fleet_documents(live, MEMBERS, planned, made, ["kafka"])}
    assert rotated["staging/kafka"]["secret"]["password"] != "p"


def test_documents_of_former_members() -> None:
    def of(member: str) -> dict[str, str]:
        return {"dataplatform.fleet/member": member}

    names = {
        "ca": {},
        "staging/kafka": of("staging"),
        "former/kafka": of("former"),
        "former/tls": of("former"),
        "former/other": of("former"),
        "foreign/kafka": {},
    }
    assert plan.undeclared(names, MEMBERS) == ["former/kafka", "former/tls"]


def test_what_is_no_certificate() -> None:
    assert load("") is None
    assert load("nonsense") is None
