# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Follow a canary along the data path. Documented in the module of the same name."""

from __future__ import annotations

import contextlib
import re
import ssl
from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._ansible.environment import in_environment
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply import connection, options
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.client import Client
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.errors import ApplyError
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._verify.canary import Canary
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._verify.cluster import Cluster
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._verify.follow import Follower, Look, Settings
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._verify.hops import (
    EMAIL,
    PATH,
    SLACK,
    Finding,
    Status,
    table,
)
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._verify.pods import ClusterPods, User
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._verify.received import (
    IMPLICIT,
    SLACK_API,
    STARTTLS,
    Channel,
    Mailbox,
)

display = Display()


def argument_spec() -> dict[str, Any]:
    """The options."""
    reached = options.cluster_options()
    return {
        **reached,
        "controlplane": {
            "type": "dict",
            "options": reached,
            "required_one_of": options.ONE_CLUSTER,
        },
        "run": {"type": "str", "required": True},
        "member": {"type": "str", "required": True},
        "since": {"type": "float", "required": True},
        "ca": {"type": "str", "required": True},
        "timeout": {"type": "int", "default": 180},
        "alarm_timeout": {"type": "int", "default": 420},
        "interval": {"type": "int", "default": 3},
        "kafka_in_cluster": {"type": "bool", "default": True},
        "alarm_environment": {"type": "str", "default": ""},
        "email": {
            "type": "dict",
            "options": {
                "host": {"type": "str", "required": True},
                "port": {"type": "int", "default": 993},
                "tls": {"type": "str", "default": IMPLICIT, "choices": [IMPLICIT, STARTTLS]},
                "user": {"type": "str", "required": True},
                "password": {"type": "str", "required": True, "no_log": True},
                "folder": {"type": "str", "default": "INBOX"},
            },
        },
        "slack": {
            "type": "dict",
            "options": {
                "channel": {"type": "str", "required": True},
                "token": {"type": "str", "required": True, "no_log": True},
                "url": {"type": "str", "default": SLACK_API},
            },
        },
        "elasticsearch_user": {"type": "str", "default": "grafana_reader"},
        "elasticsearch_password": {"type": "str", "default": "", "no_log": True},
        "grafana_user": {"type": "str", "default": "admin"},
        "grafana_password": {"type": "str", "default": "", "no_log": True},
    }


class ActionModule(ActionBase):  # type: ignore[misc]
    """Follows from the controller."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True
    _supports_async = False

    @in_environment
    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _, args = self.validate_argument_spec(argument_spec(), **options.CLUSTER_RULES)
        if not re.fullmatch("[A-Za-z0-9]+", args["run"]):
            raise AnsibleActionFail(f"run is {args['run']!r}: a canary's name has letters and digits only.")
        receivers = _receivers(args)
        if self._task.check_mode:
            found = [Finding(hop.signal, hop.name, Status.NOT_RUN, text="Check mode.") for hop in PATH]
        else:
            try:
                found = _follow(args, receivers)
            except ApplyError as error:
                raise AnsibleActionFail(str(error)) from None
        return {
            **result,
            "changed": False,
            "hops": [finding.public() for finding in found],
            "table": table(args["member"], found),
        }


def _receivers(args: Mapping[str, Any]) -> dict[str, Look]:
    """Return where a test alarm's message is searched, by hop."""
    found: dict[str, Look] = {}
    empty = [
        f"{name}.{key}" for name in (EMAIL, SLACK) for key, value in (args[name] or {}).items() if value in ("", None)
    ]
    if empty:
        raise AnsibleActionFail(f"{', '.join(empty)}: is empty. It is required to find a test alarm's message.")
    if args["email"]:
        found[EMAIL] = Mailbox(**args["email"])
    if args["slack"]:
        found[SLACK] = Channel(**args["slack"])
        if not re.match("https://[^/]", args["slack"]["url"]):
            raise AnsibleActionFail("slack.url is not an https:// address: the token would be sent unencrypted.")
    return found


def _follow(args: Mapping[str, Any], receivers: Mapping[str, Look]) -> list[Finding]:
    settings = Settings(
        timeout=args["timeout"],
        alarm_timeout=args["alarm_timeout"],
        interval=args["interval"],
        kafka_in_cluster=args["kafka_in_cluster"],
        environment=args["alarm_environment"],
        receivers=receivers,
        elasticsearch=User(args["elasticsearch_user"], args["elasticsearch_password"]),
        grafana=User(args["grafana_user"], args["grafana_password"]),
    )
    followed = Canary(args["run"], args["member"], args["since"])
    with contextlib.ExitStack() as clients:
        member = _cluster(args, args["ca"], clients)
        controlplane = _cluster(args["controlplane"], args["ca"], clients) if args["controlplane"] else None
        follower = Follower(
            member,
            controlplane,
            followed,
            settings,
            report=lambda text: display.display(f"canary of {followed.member}: {text}"),
        )
        return follower.follow()


def _cluster(args: Mapping[str, Any], ca: str, clients: contextlib.ExitStack) -> Cluster:
    client = clients.enter_context(Client(connection.server_for(args)))
    try:
        pods = ClusterPods(client, ca)
    except ssl.SSLError:
        raise ApplyError("ca is not the PEM text of certificates.") from None
    found = Cluster(client, pods)
    found.load()
    return found
