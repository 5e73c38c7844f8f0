# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The task's options. A test compares them with the module's documentation."""

from __future__ import annotations

from typing import Any

from ansible.module_utils.basic import env_fallback


def argument_spec() -> dict[str, Any]:
    """Return the options, and amazon.aws' connection options with the same names, aliases and environment variables."""
    return {
        "name": {"type": "str", "required": True},
        "namespace": {"type": "str", "required": True},
        "templates": {"type": "list", "elements": "str"},
        "definition": {"type": "raw", "no_log": False},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "cluster": {"type": "str"},
        "kubeconfig": {"type": "path"},
        "context": {"type": "str"},
        "host": {"type": "str"},
        "ca_cert": {"type": "str"},
        "api_key": {"type": "str", "no_log": True},
        "client_cert": {"type": "str"},
        "client_key": {"type": "str", "no_log": True},
        "proxy_url": {"type": "str"},
        "tls_server_name": {"type": "str"},
        "wait": {"type": "bool", "default": True},
        "wait_timeout": {"type": "int", "default": 600},
        "force": {"type": "bool", "default": True},
        "ignore_fields": {
            "type": "list",
            "elements": "dict",
            "options": {
                "kind": {"type": "str"},
                "name": {"type": "str"},
                "namespace": {"type": "str"},
                "fields": {"type": "list", "elements": "str", "required": True},
            },
        },
        "prune": {"type": "bool", "default": True},
        "prune_limit": {"type": "float", "default": 0.5},
        "confirm": {"type": "str"},
        "allow_namespaces": {"type": "bool", "default": False},
        **aws_options(),
    }


def aws_options() -> dict[str, Any]:
    """Return the connection options of AWS."""

    def option(env: list[str], **more: object) -> dict[str, Any]:
        return {"type": "str", "fallback": (env_fallback, env), **more}

    return {
        "region": option(["AWS_REGION", "AWS_DEFAULT_REGION"], aliases=["aws_region"]),
        "profile": option(["AWS_PROFILE", "AWS_DEFAULT_PROFILE"], aliases=["aws_profile"]),
        "access_key": option(
            ["AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY"], aliases=["aws_access_key_id", "aws_access_key"], no_log=False
        ),
        "secret_key": option(
            ["AWS_SECRET_ACCESS_KEY", "AWS_SECRET_KEY"],
            aliases=["aws_secret_access_key", "aws_secret_key"],
            no_log=True,
        ),
        "session_token": option(["AWS_SESSION_TOKEN"], aliases=["aws_session_token"], no_log=True),
        "endpoint_url": option(["AWS_URL", "AWS_ENDPOINT_URL_EKS", "AWS_ENDPOINT_URL"], aliases=["aws_endpoint_url"]),
        "aws_ca_bundle": {"type": "path", "fallback": (env_fallback, ["AWS_CA_BUNDLE"])},
        "validate_certs": {"type": "bool", "default": True},
        "aws_config": {"type": "dict"},
        "debug_botocore_endpoint_logs": {"type": "bool", "default": False},
    }


def cluster_options() -> dict[str, Any]:
    """The options of what only looks at a cluster: how it and AWS are reached. CLUSTER_RULES go with them."""
    known = argument_spec()
    reached = ("cluster", "kubeconfig", "context", "proxy_url", "tls_server_name")
    return {name: known[name] for name in (*reached, *aws_options())}


ONE_CLUSTER = [("cluster", "kubeconfig")]
CLUSTER_RULES: dict[str, Any] = {
    "required_one_of": ONE_CLUSTER,
    "required_by": {"context": "kubeconfig"},
}

MUTUALLY_EXCLUSIVE = [("cluster", "host"), ("kubeconfig", "host"), ("templates", "definition")]
REQUIRED_ONE_OF = [("cluster", "kubeconfig", "host")]
REQUIRED_IF = [("state", "present", ("templates", "definition"), True)]
REQUIRED_BY = {"context": "kubeconfig", "client_cert": "client_key", "client_key": "client_cert"}
