# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hold a cluster's lock during a run. Documented in the module of the same name."""

from __future__ import annotations

import contextlib
import getpass
import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible import context
from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.amazon.aws.plugins.module_utils.botocore import _aws_region
from ansible_collections.amazon.aws.plugins.module_utils.modules import aws_argument_spec
from ansible_collections.dataplatform.fleet.plugins.module_utils._libraries import needed
from ansible_collections.dataplatform.fleet.plugins.module_utils._lock import heartbeat, held
from ansible_collections.dataplatform.fleet.plugins.module_utils._lock.errors import LockError, LostError
from ansible_collections.dataplatform.fleet.plugins.module_utils._lock.record import Lock
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._ansible import run
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._ansible.environment import (
    in_environment,
    way_to_aws,
)
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._lock.api import Table
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._lock.lock import (
    acquire,
    confirm,
    lost_text,
    not_taken_text,
    refusal_text,
    release,
    remove,
)

display = Display()


class ActionModule(ActionBase):  # type: ignore[misc]
    """Run in a worker process. Its parent is the process of the run, and the lock ends with that process."""

    _requires_connection = False
    _supports_check_mode = True
    _supports_async = False

    @in_environment
    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _validation, options = self.validate_argument_spec(
            argument_spec={
                **aws_argument_spec(),
                "name": {"type": "str", "required": True, "aliases": ["cluster"]},
                "table": {"type": "str", "required": True},
                "state": {"type": "str", "choices": ["present", "held", "absent", "broken"], "default": "present"},
                "ttl": {"type": "int", "default": 300},
                "heartbeat": {"type": "int", "default": 20},
                "wait_timeout": {"type": "int", "default": 0},
                "tags": {"type": "dict", "default": {}, "aliases": ["resource_tags"]},
                "adopt": {"type": "bool", "default": False},
            }
        )
        if options["heartbeat"] < 1 or options["ttl"] < 3 * options["heartbeat"]:
            raise AnsibleActionFail(
                f"ttl ({options['ttl']}) must be at least three times heartbeat ({options['heartbeat']}), or a run "
                "whose heartbeat is late once loses its lock."
            )
        with needed("boto3", AnsibleActionFail):
            import boto3  # noqa: F401, PLC0415 - as amazon.aws, which is imported above, has done
        connection = connection_of(options)
        run.end_with_it()
        try:
            table = Table(heartbeat.connect(connection), options["table"])
            keeper = Keeper(connection, options, lock_of(options, task_vars or {}))
            result.update(changed=False)
            result.update(getattr(self, f"_{options['state']}")(table, keeper, options))
        except LockError as error:
            raise AnsibleActionFail(str(error)) from error
        except Exception as error:
            if type(error).__module__.startswith("botocore"):
                raise AnsibleActionFail(f"The lock table {options['table']} could not be reached: {error}") from error
            raise
        return result

    def _present(self, table: Table, keeper: Keeper, options: dict[str, Any]) -> dict[str, Any]:
        if self._task.check_mode:
            held = table.get(options["name"]) if table.exists() else None
            if held and held.run_id != keeper.lock.run_id and not held.stale(table.now()):
                display.warning(f"{refusal_text(held, table.now())} A run with --check goes on without it.")
            return {"lock": held and held.public(table.now())}
        if keeper.remembered():
            return self._held(table, keeper, options)
        table.ensure(options["tags"], adopt=options["adopt"])
        taken = acquire(table, keeper.lock, options["wait_timeout"])
        if taken.previous:
            display.warning(
                f"The lock on cluster {options['name']} was taken over from {taken.previous.describe(table.now())}, "
                f"which has been silent for longer than its {taken.previous.ttl} s."
            )
        try:
            keeper.start(taken.lock, table.skew, taken.renewed)
        except Exception:
            release(table, taken.lock)
            raise
        return {"lock": taken.lock.public(table.now())}

    def _held(self, table: Table, keeper: Keeper, options: dict[str, Any]) -> dict[str, Any]:
        mine = keeper.remembered()
        if self._task.check_mode:
            return {"lock": mine and mine.public(table.now())}
        if mine is None:
            raise LostError(not_taken_text(options["name"]))
        table.exists()  # the response has the time of AWS
        renewed = heartbeat.clock()
        confirm(table, mine)
        keeper.keep_on(table.skew, renewed)
        return {"lock": mine.public(table.now())}

    def _absent(self, table: Table, keeper: Keeper, options: dict[str, Any]) -> dict[str, Any]:
        held = table.get(options["name"]) if table.exists() else None
        if self._task.check_mode:
            return {"lock": held and held.public(table.now())}
        mine = keeper.remembered()
        keeper.stop()
        try:
            other = release(table, mine or keeper.lock) if held else None
        except LockError:
            keeper.keep_on(table.skew)  # the keeping process tries again when the run ends
            raise
        keeper.forget()
        if mine and (held is None or other):
            raise LostError(lost_text(mine, other, table.now()))
        return {"lock": other and other.public(table.now())}

    def _broken(self, table: Table, _keeper: Keeper, options: dict[str, Any]) -> dict[str, Any]:
        if not table.exists():
            return {"lock": None, "msg": f"No run holds the lock on cluster {options['name']}."}
        held = table.get(options["name"]) if self._task.check_mode else remove(table, options["name"])
        if held is None:
            return {"lock": None, "msg": f"No run holds the lock on cluster {options['name']}."}
        text = f"The lock on cluster {options['name']} was taken from {held.describe(table.now())}."
        if not self._task.check_mode:
            display.warning(text)
        return {"changed": True, "lock": held.public(table.now()), "msg": text}


class Keeper:
    """One lock of this run: its record in the run's temporary directory, and the process that keeps it."""

    def __init__(self, connection: dict[str, Any], options: Mapping[str, Any], lock: Lock) -> None:
        self.lock = lock
        self._connection = connection
        self._interval = options["heartbeat"]
        self._table = options["table"]
        where = [connection.get("endpoint_url"), connection.get("region"), self._table, lock.cluster]
        name = hashlib.sha256(json.dumps(where).encode()).hexdigest()[:16]
        # The keeping process inherits the current environment.
        way = json.dumps([connection, way_to_aws()], sort_keys=True)
        self._fingerprint = hashlib.sha256(way.encode()).hexdigest()
        self._place = str(run.directory() / f"{held.PREFIX}{name}")

    def remembered(self) -> Lock | None:
        """Return the lock if this run has taken it."""
        memory = self._read()
        return Lock(**memory["lock"]) if memory else None

    def keep_on(self, skew: float, renewed: float | None = None) -> None:
        """Start the keeping process again if it was killed, fails, or has outdated credentials.

        ``renewed``: when the lock was renewed, if it was just now.
        """
        memory, state = self._read(), held.read(self._place + heartbeat.STATE) or {"renewed": 0, "problem": ""}
        late = state["renewed"] and heartbeat.clock() - state["renewed"] > 2 * self._interval  # the machine has slept
        if memory and (held.ended(memory) or state["problem"] or late or memory["connection"] != self._fingerprint):
            self.start(Lock(**memory["lock"]), skew, state["renewed"] if renewed is None else renewed)
            _end(memory)

    def start(self, lock: Lock, skew: float, renewed: float) -> None:
        """Start the keeping process and wait until it is ready; ``renewed``: heartbeat's time of the last renewal."""
        process = run.process()
        began = heartbeat.started(process)
        if began is None:
            raise LockError("The run has ended while it took the lock. Run again.")
        Path(self._place + heartbeat.USERS).touch(mode=0o600)
        settings = {
            "connection": self._connection,
            "table": self._table,
            "cluster": lock.cluster,
            "run_id": lock.run_id,
            "interval": self._interval,
            "skew": skew,
            "pid": process,
            "started": began,
            "ttl": lock.ttl,
            "place": self._place,
            "renewed": renewed,
        }
        program = subprocess.Popen(
            [sys.executable, "-P", heartbeat.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd="/",
            text=True,
        )
        assert program.stdin and program.stdout  # noqa: S101 - both are pipes
        program.stdin.write(json.dumps(settings))
        program.stdin.close()
        answer = program.stdout.readline()
        if answer != heartbeat.READY:
            answer += program.stdout.read()
            raise LockError(f"The process that keeps the lock did not start: {answer.strip()[-500:]}")
        memory = {
            "lock": vars(lock),
            "pid": program.pid,
            "started": heartbeat.started(program.pid),
            "connection": self._fingerprint,
            "run": process,
            "run_started": began,
        }
        heartbeat.write(self._place + held.MEMORY, memory)

    def stop(self) -> None:
        """End the keeping process."""
        memory = self._read()
        if memory:
            _end(memory)

    def forget(self) -> None:
        """Forget the lock."""
        for suffix in (held.MEMORY, heartbeat.STATE, heartbeat.USERS):
            Path(self._place + suffix).unlink(missing_ok=True)

    def _read(self) -> dict[str, Any] | None:
        return held.read(self._place + held.MEMORY)


def _end(memory: Mapping[str, Any]) -> None:
    """End the process and wait for its end, so that it does not count as running."""
    if not held.ended(memory):
        with contextlib.suppress(ProcessLookupError):
            os.kill(memory["pid"], signal.SIGKILL)
        heartbeat.Process(memory["pid"], memory["started"]).wait(10)


def connection_of(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the connection to DynamoDB in a form that can be passed to another process."""
    keys = ("access_key", "secret_key", "session_token", "profile", "endpoint_url")
    connection = {key: options.get(key) or None for key in keys}
    if connection["profile"] and connection["access_key"]:
        raise AnsibleActionFail("profile and access_key are mutually exclusive: give one of them.")
    region = _aws_region(dict(options))
    if not region:
        raise AnsibleActionFail("run_lock needs a region: give the option region, or set AWS_REGION.")
    verify = options["aws_ca_bundle"] if options["validate_certs"] and options["aws_ca_bundle"] else None
    return {**connection, "region": region, "verify": verify if options["validate_certs"] else False}


def lock_of(options: Mapping[str, Any], task_vars: Mapping[str, Any]) -> Lock:
    """Return the lock that this run would hold."""
    host = socket.gethostname()
    user = task_vars.get("awx_user_name") or task_vars.get("tower_user_name") or _user()
    job = task_vars.get("awx_job_id") or task_vars.get("tower_job_id")
    # Not the whole command line: extra variables can be secrets.
    playbooks = " ".join(Path(name).name for name in context.CLIARGS.get("args", ())) or "ansible"
    return Lock(
        cluster=options["name"],
        # The directory's name is random and the same in all workers of a run.
        run_id=f"{host}/{run.directory().name}",
        holder=f"{user}@{host}",
        command=f"AWX job {job}: {playbooks}" if job else playbooks,
        acquired_at=0,
        heartbeat_at=0,
        ttl=options["ttl"],
    )


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"
