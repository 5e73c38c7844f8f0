# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import marshal
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible._internal._datatag._tags import Origin
from ansible._internal._templating._jinja_bits import AnsibleEnvironment
from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._ansible import compiled, run
from jinja2 import TemplateSyntaxError, pass_context

CHECKOUT = Path(__file__).resolve().parents[5]
TEMPLATES = sorted(CHECKOUT.glob("roles/*/templates/*.j2"))
OWN = str(CHECKOUT / "roles" / "vpc" / "tasks" / "main.yml")


Process = Callable[..., list[str]]


@pytest.fixture
def process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Process:
    """Return the list of the texts that Ansible compiles in a new process, of this run or a later one."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(run, "directory", lambda: tmp_path / "run")
    ansibles = compiled._ansibles_compile
    compiled.install()

    def start(*, later: bool = False) -> list[str]:
        if later:
            shutil.rmtree(tmp_path / "run")
        texts: list[str] = []

        def compile_text(environment: AnsibleEnvironment, source: str, *given: str | None) -> object:
            texts.append(source)
            return ansibles(environment, source, *given)

        monkeypatch.setattr(compiled, "_ansibles_compile", compile_text)
        monkeypatch.setattr(compiled, "_compiled", {})
        monkeypatch.setattr(compiled, "_kept", {})
        return texts

    return start


def own(text: str, path: str = OWN) -> str:
    return Origin(path=path).tag(text)  # type: ignore[no-any-return]


def rendered(text: str, **variables: object) -> object:
    return Templar(DataLoader(), variables=variables).template(trust_as_template(text))


def test_a_later_run_gets_the_code_that_ansible_compiles(process: Process) -> None:
    """Every template of every role, as a loader reads it."""
    assert len(TEMPLATES) > 50
    texts = process()
    environment = AnsibleEnvironment(trim_blocks=True, lstrip_blocks=True)
    expected = {file: compiled._ansibles_compile(environment, file.read_text(), None, str(file)) for file in TEMPLATES}
    for file in TEMPLATES:
        environment.compile(file.read_text(), None, str(file))
    compiled.save()
    texts = process(later=True)
    compiled.load()
    for file in TEMPLATES:
        code = environment.compile(file.read_text(), None, str(file))
        assert marshal.dumps(code) == marshal.dumps(expected[file])
    assert texts == []


def test_workers_of_a_run_share_code(process: Process) -> None:
    text = own("{{ 1 + number }}")
    assert process() == []
    assert rendered(text, number=2) == 3
    texts = process()
    assert rendered(text, number=3) == 4
    assert texts == []


@pytest.mark.parametrize(
    "text", ["{{ 'secret' | upper }}", own("{{ 'secret' | upper }}", str(CHECKOUT / "inventories" / "a" / "b.yml"))]
)
def test_a_template_from_elsewhere_is_never_written(process: Process, tmp_path: Path, text: str) -> None:
    texts = process()
    for _ in range(2):
        assert rendered(text) == "SECRET"
    assert len(texts) == 1
    compiled.save()
    assert not any(path.is_file() for path in tmp_path.rglob("*"))


def test_the_templates_in_variables_are_compiled_before_they_are_used(process: Process, tmp_path: Path) -> None:
    text, broken, plain = "{{ 1 + number }}", "{{ 1 +", "{{ data }}"
    values = {"a": [trust_as_template(text), {"b": trust_as_template(broken)}], "c": plain, "d": 1}
    texts = process()
    compiled.compile_values(values)
    assert sorted(texts) == sorted([text, broken])
    texts.clear()
    assert rendered(text, number=2) == 3
    assert texts == []
    with pytest.raises(AnsibleError, match="Syntax error in template"):
        rendered(broken)
    compiled.save()
    assert not any(path.is_file() for path in tmp_path.rglob("*"))


def test_code_is_left_out_when_jinja_calls_a_filter_otherwise(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    process()
    for name in ("upper", "lower"):
        rendered(own("{{ 'a' | " + name + " }}"))
    compiled.save()

    def argument(environment: AnsibleEnvironment, kind: str, name: str) -> str | None:
        return "context" if (kind, name) == ("filters", "upper") else None

    texts = process(later=True)
    monkeypatch.setattr(compiled, "_argument", argument)
    compiled.load()
    assert [rendered(own("{{ 'a' | " + name + " }}")) for name in ("upper", "lower")] == ["A", "a"]
    assert texts == ["{{ 'a' | upper }}"]


def test_the_first_argument_of_filters_and_tests_is_jinjas() -> None:
    environment = AnsibleEnvironment()
    environment.filters["with_context"] = pass_context(lambda _, value: value)
    found = [compiled._argument(environment, *each) for each in (("filters", "with_context"), ("tests", "defined"))]
    assert found == ["context", None]


@pytest.mark.parametrize("content", [b"", b"no marshal", marshal.dumps({b"a": (b"code", ())})[:-4]])
def test_a_damaged_file_is_replaced(process: Process, content: bytes) -> None:
    process()
    file = compiled._file()
    file.parent.mkdir(parents=True, mode=0o700)
    file.write_bytes(content)
    compiled.load()
    rendered(own("{{ 1 }}{{ 2 }}"))
    compiled.save()
    texts = process(later=True)
    compiled.load()
    assert str(rendered(own("{{ 1 }}{{ 2 }}"))) == "12"
    assert texts == []


def test_a_file_that_another_user_can_write_is_not_read(process: Process) -> None:
    process()
    rendered(own("{{ 1 }}"))
    compiled.save()
    compiled._file().parent.chmod(0o770)
    process(later=True)
    compiled.load()
    assert compiled._kept == {}


def test_a_template_that_cannot_be_compiled_fails_each_time(process: Process) -> None:
    process()
    for _ in range(2):
        with pytest.raises(AnsibleError, match="expected"):
            rendered(own("{{ 1 + }}"))
        with pytest.raises(TemplateSyntaxError):
            AnsibleEnvironment().compile("{{ 1 + }}")
