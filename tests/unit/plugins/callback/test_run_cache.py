# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from ansible.module_utils._internal import _stack
from ansible.plugins.loader import connection_loader
from ansible_collections.dataplatform.fleet.plugins.callback import run_cache
from ansible_collections.dataplatform.fleet.tests.unit.playbooks import ansible_playbook

CHECKOUT = Path(__file__).resolve().parents[4]
MODULE = """
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.some.body.plugins.module_utils import {utility}

module = AnsibleModule({{}}, supports_check_mode=True)
module.exit_json(msg={utility}.TEXT)
"""


@pytest.fixture
def collection(tmp_path: Path) -> Path:
    """A collection whose modules `plain` and `redirected` import a module utility."""
    plugins = tmp_path / "collections" / "ansible_collections" / "some" / "body" / "plugins"
    (plugins / "modules").mkdir(parents=True)
    (plugins / "module_utils").mkdir()
    # Ansible sends empty files in place of these.
    for package in (plugins, plugins / "modules", plugins / "module_utils"):
        (package / "__init__.py").write_text("TEXT = 'of the controller'")
    for name in ("first", "second"):
        (plugins / "module_utils" / f"{name}.py").write_text(f"TEXT = '{name}'")
    (plugins / "modules" / "plain.py").write_text(MODULE.format(utility="first"))
    (plugins / "modules" / "redirected.py").write_text(MODULE.format(utility="former"))
    route(plugins.parent, "first")
    return plugins.parent


def route(collection: Path, name: str) -> None:
    (collection / "meta").mkdir(exist_ok=True)
    redirect = {"former": {"redirect": f"some.body.{name}"}}
    (collection / "meta" / "runtime.yml").write_text(yaml.safe_dump({"plugin_routing": {"module_utils": redirect}}))


def texts(collection: Path, cache: Path, *, made: int) -> tuple[str, str]:
    """Return the results of both modules; Ansible's debug log shows how many payloads it creates."""
    folder = collection.parents[2]
    tasks = [{f"some.body.{name}": {}, "register": name} for name in ("plain", "redirected")]
    result = {"ansible.builtin.debug": {"msg": "RESULT-{{ plain.msg }}-{{ redirected.msg }}-"}}
    play = [{"hosts": "localhost", "gather_facts": False, "tasks": [*tasks, result]}]
    (folder / "play.yml").write_text(yaml.safe_dump(play))
    paths = f"{folder}:{CHECKOUT / 'collections'}"
    done = ansible_playbook(
        folder / "play.yml", ANSIBLE_COLLECTIONS_PATH=paths, ANSIBLE_DEBUG="true", XDG_CACHE_HOME=str(cache)
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("ANSIBALLZ: Creating module") == made
    return re.findall(r"RESULT-(\w+)-(\w+)-", done.stdout)[-1]  # type: ignore[no-any-return]


def test_a_payload_is_made_again_when_one_of_its_sources_changes(collection: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    assert texts(collection, cache, made=2) == ("first", "first")
    assert texts(collection, cache, made=0) == ("first", "first")
    utility = collection / "plugins" / "module_utils" / "first.py"
    status = utility.stat()
    utility.write_text("TEXT = 'other'")
    os.utime(utility, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert texts(collection, cache, made=2) == ("other", "other")
    route(collection, "second")
    assert texts(collection, cache, made=2) == ("other", "second")
    assert texts(collection, cache, made=0) == ("other", "second")


def test_a_damaged_payload_and_one_that_another_user_can_write_are_not_used(collection: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    texts(collection, cache, made=2)
    (kept,) = (cache / "dataplatform.fleet" / "payloads").iterdir()
    for payload in kept.iterdir():
        payload.write_bytes(payload.read_bytes()[:100])
    assert texts(collection, cache, made=2) == ("first", "first")
    assert texts(collection, cache, made=0) == ("first", "first")
    kept.chmod(0o770)
    assert texts(collection, cache, made=2) == ("first", "first")


def test_a_cache_that_cannot_be_written_changes_nothing(collection: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for _ in range(2):
        assert texts(collection, tmp_path / "file", made=2) == ("first", "first")


def test_nothing_is_printed(tmp_path: Path) -> None:
    (tmp_path / "play.yml").write_text(yaml.safe_dump([{"hosts": "localhost", "gather_facts": False, "tasks": []}]))
    without, enabled = (
        ansible_playbook(
            tmp_path / "play.yml",
            ANSIBLE_CALLBACKS_ENABLED=name,
            ANSIBLE_LOCALHOST_WARNING="false",
            XDG_CACHE_HOME=str(tmp_path),
        )
        for name in ("dataplatform.fleet.option_types", "dataplatform.fleet.run_cache")
    )
    assert (enabled.stdout, enabled.stderr) == (without.stdout, without.stderr)


def test_workers_find_the_plugins_of_most_tasks_loaded() -> None:
    for module in [name for name in sys.modules if name.endswith("fleet.plugins.connection.warm")]:
        del sys.modules[module]
    connection_loader._module_cache.clear()
    run_cache.CallbackModule().v2_playbook_on_start(None)
    assert all(loader.get(name, class_only=True) for loader, name in run_cache._MOST_TASKS)
    path = connection_loader.find_plugin_with_context("dataplatform.fleet.warm").plugin_resolved_path
    assert path in connection_loader._module_cache


AS_A_WORKER = """
import os, sys
from ansible.plugins.loader import init_plugin_loader
init_plugin_loader()
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from ansible_collections.dataplatform.fleet.plugins.callback import run_cache

run_cache.CallbackModule().v2_playbook_on_start(None)
if os.fork():
    raise SystemExit(os.waitstatus_to_exitcode(os.wait()[1]))
before = set(sys.modules)
templar = Templar(DataLoader(), variables={"found": {"a": 1}})
template = "{{ found | combine({'b': 2}) | dataplatform.fleet.texts is defined }}"
assert templar.template(trust_as_template(template)) is True
loaded = sorted(name for name in set(sys.modules) - before if "ansible" in name)
sys.stdout.write("\\n".join(loaded))
sys.stdout.flush()
os._exit(0)
"""


def test_a_worker_that_uses_filters_loads_nothing() -> None:
    """Loading one filter imports every filter module of its collection, with their imports."""
    done = subprocess.run(
        [sys.executable, "-c", AS_A_WORKER], capture_output=True, text=True, cwd=CHECKOUT, check=False
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


CLIENTS_IN_A_FORK = """
import os, sys
import botocore.loaders, botocore.session
{load}
if os.fork():
    raise SystemExit(os.waitstatus_to_exitcode(os.wait()[1]))
parsed = []
load_file = botocore.loaders.JSONFileLoader.load_file
botocore.loaders.JSONFileLoader.load_file = lambda self, path: parsed.append(path) or load_file(self, path)
for service in {services}:
    session = botocore.session.Session()
    session.create_client(service, region_name="eu-central-1", aws_access_key_id="a", aws_secret_access_key="b")
sys.stdout.write("\\n".join(path for path in parsed if "service" in path))
sys.stdout.flush()
os._exit(0)
"""


@pytest.mark.parametrize(
    ("load", "services"),
    [
        (
            "from ansible.plugins.loader import init_plugin_loader; init_plugin_loader()\n"
            "from ansible_collections.dataplatform.fleet.plugins.callback import run_cache\n"
            "run_cache.CallbackModule().v2_playbook_on_start(None)",
            run_cache._MOST_CLIENTS,
        ),
        (
            "import pathlib, tempfile\n"
            "from ansible.plugins.loader import init_plugin_loader; init_plugin_loader()\n"
            "from ansible_collections.dataplatform.fleet.plugins.plugin_utils._warm.server import Libraries\n"
            "from ansible_collections.dataplatform.fleet.tests.unit.plugins.connection.test_warm import wrapped\n"
            "payload = {'some_module.py': 'module.client(\\'ec2\\', a=1) or module.client(\"no-such-service\")'}\n"
            "assert Libraries(pathlib.Path(tempfile.mkdtemp())).load(wrapped(payload))",
            ("ec2",),
        ),
    ],
    ids=["task", "module"],
)
def test_a_client_in_a_fork_parses_no_description_of_its_service(load: str, services: tuple[str, ...]) -> None:
    program = CLIENTS_IN_A_FORK.format(load=load, services=services)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=CHECKOUT, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_a_deprecation_is_attributed_to_the_plugin_that_ansible_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    found = _stack.caller_frame()
    monkeypatch.setattr(_stack, "iter_stack", run_cache._callers)
    quick = _stack.caller_frame()
    assert found and quick
    assert (quick.filename, quick.function) == (found.filename, found.function)
