from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import yaml
from ansible.errors import AnsibleActionFail
from ansible.utils.context_objects import CLIArgs
from ansible_collections.amazon.aws.plugins.module_utils.modules import aws_argument_spec
from ansible_collections.dataplatform.fleet.plugins.action import run_lock
from ansible_collections.dataplatform.fleet.plugins.module_utils._lock import heartbeat
from ansible_collections.dataplatform.fleet.plugins.module_utils._lock.errors import LockError
from ansible_collections.dataplatform.fleet.plugins.module_utils._lock.record import Lock
from ansible_collections.dataplatform.fleet.plugins.modules import run_lock as documented

NAMES = ("access_key", "secret_key", "session_token", "profile", "endpoint_url", "aws_ca_bundle")
NOTHING: dict[str, Any] = dict.fromkeys(NAMES)
OPTIONS = {**NOTHING, "region": "eu-central-1", "validate_certs": True, "name": "dp-staging", "ttl": 300}


class SpecSeenError(Exception):
    """Stops the action where it checks its options."""


def test_the_options_are_the_documented_ones() -> None:
    seen: dict[str, Any] = {}

    def validate(argument_spec: dict[str, Any]) -> None:
        seen.update(argument_spec)
        raise SpecSeenError

    action = run_lock.ActionModule.__new__(run_lock.ActionModule)
    action._task = mock.Mock(environment=[])
    action._templar = mock.Mock()
    with (
        mock.patch.object(run_lock.ActionBase, "run", return_value={}),
        mock.patch.object(action, "validate_argument_spec", validate, create=True),
        contextlib.suppress(SpecSeenError),
    ):
        action.run(None, {})
    ours = {name: spec for name, spec in seen.items() if name not in aws_argument_spec()}
    options = yaml.safe_load(documented.DOCUMENTATION)["options"]
    assert set(ours) == set(options)
    for name, spec in ours.items():
        for key in ("type", "default", "choices", "aliases", "required"):
            assert spec.get(key) == options[name].get(key), (name, key)


def test_the_examples_use_documented_options() -> None:
    options = set(yaml.safe_load(documented.DOCUMENTATION)["options"]) | set(aws_argument_spec())
    for play in yaml.safe_load(io.StringIO(documented.EXAMPLES)):
        for task in play["tasks"]:
            assert set(task["dataplatform.fleet.run_lock"]) <= options


def test_a_connection_can_be_handed_on() -> None:
    connection = run_lock.connection_of({**OPTIONS, "profile": "", "aws_ca_bundle": "/ca.pem"})
    assert connection["region"] == "eu-central-1"
    assert connection["profile"] is None
    assert connection["verify"] == "/ca.pem"
    assert run_lock.connection_of({**OPTIONS, "validate_certs": False})["verify"] is False
    with pytest.raises(AnsibleActionFail, match="mutually exclusive"):
        run_lock.connection_of({**OPTIONS, "profile": "p", "access_key": "a"})


def test_the_holder_is_named_without_the_command_line() -> None:
    arguments = CLIArgs({"args": ("/somewhere/site.yml",), "extra_vars": ("password=secret",)})
    with mock.patch.object(run_lock.context, "CLIARGS", arguments):
        lock = run_lock.lock_of(OPTIONS, {"awx_job_id": 42, "awx_user_name": "ann"})
        assert lock.command == "AWX job 42: site.yml"
        assert lock.holder.startswith("ann@")
        assert run_lock.lock_of(OPTIONS, {}).command == "site.yml"
        assert run_lock.lock_of(OPTIONS, {}).run_id == lock.run_id


LOCK = Lock("dp-staging", "r1", "ann@laptop", "site.yml", 1, 1, 300)
KEEPING = "import sys, time; sys.stdin.read(); print('ready', flush=True); time.sleep(300)"


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Path]:
    """The temporary directory of a run whose keeping processes do nothing; they end with the test."""
    program = tmp_path / "keeping.py"
    program.write_text(KEEPING)
    with (
        mock.patch.object(run_lock.run, "directory", lambda: tmp_path),
        mock.patch.object(heartbeat, "__file__", str(program)),
    ):
        yield tmp_path
        keeper(key="any").stop()


def keeper(key: str) -> run_lock.Keeper:
    return run_lock.Keeper({"region": "eu-central-1", "access_key": key}, {"heartbeat": 20, "table": "t"}, LOCK)


def pid(memory: Path) -> int:
    (file,) = memory.glob("run_lock-*.json")
    number: int = json.loads(file.read_text())["pid"]
    return number


def test_renewed_credentials_reach_the_process_that_keeps_the_lock(memory: Path) -> None:
    keeper("a").start(LOCK, 0, heartbeat.clock())
    first = pid(memory)
    process = heartbeat.Process(first, heartbeat.started(first))
    keeper("a").keep_on(0)
    assert pid(memory) == first
    keeper("b").keep_on(0)
    second = pid(memory)
    assert second != first
    assert process.wait(60)
    assert heartbeat.started(second) is not None
    assert keeper("b").remembered() == LOCK


def test_another_environment_reaches_the_process_that_keeps_the_lock(
    memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper("a").start(LOCK, 0, heartbeat.clock())
    first = pid(memory)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/another")
    keeper("a").keep_on(0)
    assert pid(memory) != first


def test_a_process_that_was_killed_is_started_again(memory: Path) -> None:
    keeper("a").start(LOCK, 0, heartbeat.clock())
    first = pid(memory)
    process = heartbeat.Process(first, heartbeat.started(first))
    keeper("a").stop()
    assert process.wait(60)
    keeper("a").keep_on(0)
    assert pid(memory) != first
    assert heartbeat.started(pid(memory)) is not None


def test_a_lock_that_cannot_be_released_is_kept_until_the_run_ends(memory: Path) -> None:
    keeper("a").start(LOCK, 0, heartbeat.clock())
    action = run_lock.ActionModule.__new__(run_lock.ActionModule)
    action._task = mock.Mock(check_mode=False)
    table = mock.Mock(skew=0.0)
    table.get.return_value = LOCK
    table.delete.side_effect = LockError("the table could not be reached")
    with pytest.raises(LockError):
        action._absent(table, keeper("a"), {"name": "dp-staging"})
    assert heartbeat.started(pid(memory)) is not None
