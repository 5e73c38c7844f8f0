# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import boto3
import botocore.session
import pytest
from ansible_collections.dataplatform.fleet.plugins.module_utils._eks import token
from botocore.exceptions import NoCredentialsError


def session(session_token: str | None = None) -> boto3.session.Session:
    return boto3.session.Session("AKIDEXAMPLE", "not-a-secret", session_token, region_name="eu-central-1")


def presigned(value: str) -> str:
    assert value.startswith("k8s-aws-v1.")
    encoded = value.removeprefix("k8s-aws-v1.")
    return base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode()


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("eu-central-1", "sts.eu-central-1.amazonaws.com"),
        ("us-east-1", "sts.us-east-1.amazonaws.com"),
        ("cn-north-1", "sts.cn-north-1.amazonaws.com.cn"),
        ("us-gov-west-1", "sts.us-gov-west-1.amazonaws.com"),
        ("us-iso-east-1", "sts.us-iso-east-1.c2s.ic.gov"),
        ("mars-north-1", "sts.mars-north-1.amazonaws.com"),
    ],
)
def test_the_url_is_the_regions_own_sts(region: str, host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:4566")
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:4566")
    assert urlsplit(presigned(token.mint(session(), "one", region).value)).netloc == host


def test_the_request_names_the_cluster_in_a_signed_header() -> None:
    query = parse_qs(urlsplit(presigned(token.mint(session("temporary"), "one", "eu-central-1").value)).query)
    assert query["Action"] == ["GetCallerIdentity"]
    assert query["Version"] == ["2011-06-15"]
    assert query["X-Amz-SignedHeaders"] == ["host;x-k8s-aws-id"]
    assert query["X-Amz-Expires"] == ["60"]
    assert query["X-Amz-Security-Token"] == ["temporary"]
    assert query["X-Amz-Credential"][0].endswith("/eu-central-1/sts/aws4_request")


def test_tokens_of_two_clusters_differ() -> None:
    assert token.mint(session(), "one", "eu-central-1").value != token.mint(session(), "two", "eu-central-1").value


def test_a_botocore_session_does_as_well() -> None:
    core = botocore.session.get_session()
    core.set_credentials("AKIDEXAMPLE", "not-a-secret")
    assert presigned(token.mint(core, "one", "eu-central-1").value).startswith("https://sts.eu-central-1.")


def test_it_expires_before_the_authenticator_stops_taking_it() -> None:
    before = datetime.now(UTC)
    minted = token.mint(session(), "one", "eu-central-1")
    assert timedelta(minutes=13) < minted.expires_at - before <= timedelta(minutes=14, seconds=30)
    assert not minted.expires_within(timedelta(minutes=1))
    assert minted.expires_within(timedelta(minutes=15))


def test_the_value_is_not_in_the_representation() -> None:
    minted = token.mint(session(), "one", "eu-central-1")
    assert minted.value not in repr(minted)
    assert minted.exec_credential()["status"]["token"] == minted.value


def test_no_credentials_is_botocores_own_error(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    core = botocore.session.get_session()
    monkeypatch.setattr(core, "get_credentials", lambda: None)
    with pytest.raises(NoCredentialsError):
        token.mint(core, "one", "eu-central-1")


def test_the_authenticator_takes_it_for_its_cluster_only() -> None:
    """Against another implementation of the verifying side, which computes the signature again."""
    verifier = pytest.importorskip("ministack.services.eks")
    signed = boto3.session.Session("111122223333", "test", region_name="eu-central-1")
    value = token.mint(signed, "one", "eu-central-1").value
    assert verifier._verify_eks_token(value, "one").account_id == "111122223333"
    assert verifier._verify_eks_token(value, "two") is None
    forged = boto3.session.Session("111122223333", "wrong", region_name="eu-central-1")
    assert verifier._verify_eks_token(token.mint(forged, "one", "eu-central-1").value, "one") is None
