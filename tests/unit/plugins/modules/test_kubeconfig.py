from __future__ import annotations

from typing import Any
from unittest import mock

import pytest
import yaml
from ansible_collections.dataplatform.fleet.plugins.modules import kubeconfig


class SpecSeenError(Exception):
    """Stops the module where it is given its options."""


def differences(spec: dict[str, Any], options: dict[str, Any], where: str = "") -> list[str]:
    found = [f"{where}{name}" for name in set(spec) ^ set(options)]
    for name in set(spec) & set(options):
        keys = ("type", "elements", "default", "required")
        found += [f"{where}{name}.{key}" for key in keys if spec[name].get(key) != options[name].get(key)]
        found += differences(spec[name].get("options", {}), options[name].get("suboptions", {}), f"{where}{name}.")
    return found


def test_the_options_are_the_documented_ones() -> None:
    with (
        mock.patch.object(kubeconfig, "AnsibleAWSModule", side_effect=SpecSeenError) as module,
        pytest.raises(SpecSeenError),
    ):
        kubeconfig.main()
    spec = module.call_args.kwargs["argument_spec"]
    assert differences(spec, yaml.safe_load(kubeconfig.DOCUMENTATION)["options"]) == []


def test_a_cluster_without_connection_options_takes_the_modules() -> None:
    defaults = {"profile": "", "endpoint_url": "http://x", "access_key": "a", "secret_key": "b", "session_token": None}
    bare = {"context": "c", "cluster": "d", "region": "r", "profile": "", "endpoint_url": None, "access_key": None}
    bare |= {"secret_key": None, "session_token": None, "role_arn": "", "proxy_url": None, "tls_server_name": None}
    assert kubeconfig.target_of(bare, defaults).access_key == "a"
    assert kubeconfig.target_of({**bare, "profile": "p"}, defaults).access_key is None
