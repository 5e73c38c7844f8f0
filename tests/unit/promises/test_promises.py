# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every promise in the documentation has a test, and every call that changes something in AWS is documented.

``plugins.yml``, ``roles.yml`` and ``pages.yml`` list, for each file of documentation, the sentences with a word of a
promise (``reading.WORDS``), word for word, with the tests that fail when the promise is broken. A sentence that
promises nothing says so in place of tests:

- ``meaning``: it says what an option or a value means,
- ``elsewhere``: it says what AWS, Kubernetes or another program does,
- ``advice``: it asks something of the reader.

``writes.yml`` lists the changing calls of each module with the sentence that announces them.
"""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from ansible_collections.amazon.aws.plugins.doc_fragments.tags import ModuleDocFragment as AmazonTags
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._ansible import yaml_files
from ansible_collections.dataplatform.fleet.tests.unit.promises import reading
from botocore import xform_name

HERE = Path(__file__).parent
TESTS = HERE.parents[1]
NO_PROMISE = {"meaning", "elsewhere", "advice"}
SERVICES = ("dynamodb", "ec2", "eks", "iam", "kms", "logs", "route53", "s3", "secretsmanager", "sts")
READING = re.compile("(batch_?get|describe|get|head|list)_?", re.IGNORECASE)


@functools.cache
def registered() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for name in ("plugins", "roles", "pages"):
        found |= yaml_files.parse((HERE / f"{name}.yml").read_text())
    return found


@functools.cache
def names_of(file: str) -> set[str]:
    """The names of a file's tests, those in classes too."""
    tree = ast.parse((TESTS / file).read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


@pytest.mark.parametrize("source", reading.sources())
def test_every_promise_is_listed_word_for_word(source: str) -> None:
    promised, listed = reading.promises(source), registered().get(source, {})
    new = [one for one in promised if one not in listed]
    assert not new, f"{source} promises what no test is named for; name the tests in {HERE.name}/: {new}"
    gone = [one for one in listed if one not in promised]
    assert not gone, f"{source} does not say this any more: {gone}"


def test_only_documentation_is_listed() -> None:
    assert registered().keys() <= set(reading.sources())


@pytest.mark.parametrize("source", sorted(registered()))
def test_the_named_tests_exist(source: str) -> None:
    for sentence, held in registered()[source].items():
        if isinstance(held, str):
            assert held in NO_PROMISE, f"{source}: {sentence}"
            continue
        assert held, f"{source}: {sentence}"
        for named in held:
            file, _, test = named.partition("::")
            assert (TESTS / file).is_file(), named
            assert test in names_of(file), named


def test_a_new_promise_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    said = {"description": ["Makes a thing. Other things stay, in check mode too.", {"notes": "Never sleeps."}]}
    found = [one for text in reading.texts(said) for one in reading.sentences(text)]
    assert [one for one in found if reading.WORDS.search(one)] == [
        "Other things stay, in check mode too.",
        "Never sleeps.",
    ]


@functools.cache
def changing() -> set[str]:
    """The operations of the services that the modules use, in both spellings, but those that read."""
    session = botocore.session.get_session()
    names = {name for service in SERVICES for name in session.get_service_model(service).operation_names}
    return {spelt for name in names for spelt in (name, xform_name(name)) if not READING.match(spelt)}


def operations(file: str) -> Iterator[str]:
    """The changing operations that a file of the plugins names. ``*`` stands for a part that is put together."""
    for node in ast.walk(ast.parse((reading.ROOT / "plugins" / file).read_text())):
        if isinstance(node, ast.Attribute) and node.attr in changing():
            yield node.attr
        elif isinstance(node, ast.Constant) and node.value in changing():
            yield str(node.value)
        elif isinstance(node, ast.JoinedStr) and isinstance(node.values[0], ast.Constant):
            begins = str(node.values[0].value)
            if "_" in begins and any(name.startswith(begins) for name in changing()):
                yield begins + "*"


@functools.cache
def writes() -> dict[str, Any]:
    found: dict[str, Any] = yaml_files.parse((HERE / "writes.yml").read_text())
    return found


# Words that are an operation's and are something else here.
NO_CALLS = {"query", "sign", "verify"}


def test_every_changing_call_is_documented() -> None:
    """By file: what the modules that use it say together."""
    said: dict[str, set[str]] = {}
    for module in writes().values():
        for file in module["code"]:
            said.setdefault(file, set()).update(name for names in module["says"].values() for name in names)
    plugins = reading.ROOT / "plugins"
    folders = (plugins / name for name in ("modules", "module_utils", "plugin_utils"))
    for path in sorted(path for folder in folders for path in folder.rglob("*.py")):
        file = str(path.relative_to(plugins))
        made = set(operations(file)) - NO_CALLS
        assert made <= said.get(file, set()), f"{file} makes calls that no documentation says"
    for files, names in ((module["code"], module["says"]) for module in writes().values()):
        made = {name for file in files for name in operations(file)}
        assert {name for listed in names.values() for name in listed} <= made, f"{files} does not make these calls"


@pytest.mark.parametrize("module", writes())
def test_the_sentences_are_in_the_modules_documentation(module: str) -> None:
    name = module.partition(" ")[0]
    files = (f"modules/{name}.py", "doc_fragments/eks.py", "doc_fragments/aws.py")
    written = {one for file in files for one in reading.written(f"plugins/{file}")}
    tags = reading.texts(yaml_files.parse(AmazonTags.DOCUMENTATION))
    written |= {one for text in tags for one in reading.sentences(text)}
    assert not [one for one in writes()[module]["says"] if one not in written]
