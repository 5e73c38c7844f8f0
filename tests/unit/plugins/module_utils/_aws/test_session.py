# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of amazon.aws as sessions and clients of botocore."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws import session
from ansible_collections.dataplatform.fleet.tests.unit.plugins.module_utils.aws import client
from botocore.exceptions import PartialCredentialsError

KEYS = {"access_key": "a", "secret_key": "s", "session_token": "t"}


@pytest.fixture(autouse=True)
def configured(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "config"
    config.write_text("[profile one]\naws_access_key_id = of-one\naws_secret_access_key = x\nregion = eu-west-3\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "of-the-environment")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")


@pytest.mark.parametrize(
    ("options", "key", "token"),
    [
        ({}, "of-the-environment", None),
        ({"profile": "", "access_key": "", "secret_key": None}, "of-the-environment", None),
        ({"profile": "one"}, "of-one", None),
        (KEYS, "a", "t"),
        ({"access_key": "a", "secret_key": "s"}, "a", None),
        ({**KEYS, "profile": "one"}, "a", "t"),
    ],
)
def test_whose_credentials_are_used(options: dict[str, Any], key: str, token: str | None) -> None:
    found = session.session(options).get_credentials()
    assert (found.access_key, found.token) == (key, token)


@pytest.mark.parametrize("key", ["access_key", "secret_key", "session_token"])
def test_half_a_pair_of_keys_is_refused(key: str) -> None:
    with pytest.raises(PartialCredentialsError, match="secret_key" if key == "access_key" else "access_key"):
        session.session({key: "a"})


def test_the_options_reach_the_client() -> None:
    options = {
        **KEYS,
        "region": "eu-central-1",
        "endpoint_url": "http://127.0.0.1:1",
        "aws_config": {"user_agent_extra": "x", "read_timeout": 7},
    }
    made = session.client(session.session(options), options, "eks", connect_timeout=5, read_timeout=6)
    assert made.meta.endpoint_url == "http://127.0.0.1:1"
    assert made.meta.region_name == "eu-central-1"
    config = made.meta.config
    assert (config.user_agent_extra, config.connect_timeout, config.read_timeout) == ("x", 5, 7)
    assert config.retries["mode"] == "standard"


def test_without_options_the_profile_is_used() -> None:
    made = session.client(session.session({"profile": "one"}), {"profile": "one", "region": ""}, "eks")
    assert made.meta.region_name == "eu-west-3"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, None),
        ({"aws_ca_bundle": ""}, None),
        ({"aws_ca_bundle": "/ca.pem"}, "/ca.pem"),
        ({"aws_ca_bundle": "/ca.pem", "validate_certs": False}, False),
        ({"validate_certs": True}, None),
    ],
)
def test_how_certificates_are_verified(options: dict[str, Any], expected: Any) -> None:
    assert session.verification(options) is expected or session.verification(options) == expected


def test_keys_of_an_assumed_role_replace_the_callers_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def answer(operation: str, given: dict[str, Any]) -> dict[str, Any]:
        asked.append((operation, given))
        keys = {"AccessKeyId": "A" * 16, "SecretAccessKey": "S", "SessionToken": "T", "Expiration": "2026-01-01"}
        return {"Credentials": keys}

    monkeypatch.setattr(session, "client", lambda _made, _options, service: client(service, answer))
    role = "arn:aws:iam::111122223333:role/one"
    found = session.as_role({**KEYS, "region": "eu-west-1"}, role, "me")
    assert asked == [("AssumeRole", {"RoleArn": role, "RoleSessionName": "me"})]
    assert found == {"region": "eu-west-1", "access_key": "A" * 16, "secret_key": "S", "session_token": "T"}
