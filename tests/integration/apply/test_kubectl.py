# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""YAML is parsed like kubectl parses it, and every character is preserved."""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.plugins.module_utils import _yamltext as yamltext
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply import fields
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from localcloud.artifacts.binaries import Binaries
from localcloud.kubernetes.control_plane import ControlPlane

from .conftest import Actions, Cluster
from .objects import curated

pytestmark = pytest.mark.integration

# Pieces of words, numbers, tags and quotes, which meet in every way.
WORDS = """
0 1 7 8 9 _ - + . e E x X o O b B a n N y Y t T ~ : , = ! < " '
0x 0o 0b 00 1e3 rue ull es Yes NO inf .nan << 12:30 2026-01-01 \\u00e9 é 🚀
!!int !!float !!str !!bool !!null !!binary !!timestamp aGVsbG8=
9223372036854775807 9223372036854775808 18446744073709551615 18446744073709551616
"""
PIECES = [*WORDS.split(), " "]
# To go-yaml v2 the comma of "[!tag, x]" belongs to the tag, to libyaml it does not.
TAG_AND_COMMA = re.compile("![^ ]*,")
scalar = (
    st.lists(st.sampled_from(PIECES), min_size=1, max_size=4)
    .map("".join)
    .filter(lambda text: not TAG_AND_COMMA.search(text))
)
# What surrounds them: several of them, keys, anchors, merges.
document = st.one_of(
    scalar.map("x: {}".format),
    scalar.map("x: [{}]".format),
    scalar.map("{}: x".format),
    scalar.map('"{}": x'.format),
    scalar.map("x: |\n    {}\n    y".format),
    st.tuples(scalar, scalar).map(lambda two: "a: &a {{{}: 1}}\nb: {{k: 2, <<: *a, {}: 3}}".format(*two)),
)
WHOLE = "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: t{}}}\ntested:\n{}\n"


def whole(number: int, text: str) -> str:
    return WHOLE.format(number, "\n".join(f"  {line}" for line in text.split("\n")))


def kubectl(plane: ControlPlane, texts: list[str]) -> list[Any]:
    """Return kubectl's result for each text, or None if it rejects the text."""
    command = [Binaries().resolve("kubectl"), f"--kubeconfig={plane.kubeconfig}", "create", "--dry-run=client"]
    with tempfile.TemporaryDirectory() as folder:
        for number, text in enumerate(texts):
            (Path(folder) / f"{number}.yaml").write_text(whole(number, text), encoding="utf-8")
        run = subprocess.run(
            [*command, "--validate=false", "-o", "json", "-f", folder], capture_output=True, text=True, check=False
        )
    assert run.stdout, run.stderr
    found, end = {}, 0
    # Kubernetes keeps what is too large for 64 bits as a float, and Go's JSON writes that without a point.
    decoder = json.JSONDecoder(parse_int=lambda digits: yamltext.number(int(digits)))
    while end < len(run.stdout):  # one object after the other
        item, end = decoder.raw_decode(run.stdout, end)
        found[item["metadata"]["name"]] = item["tested"]
        end += len(run.stdout[end:]) - len(run.stdout[end:].lstrip())
    return [found.get(f"t{number}") for number in range(len(texts))]


def ours(text: str) -> Any:
    try:
        (found,) = yamltext.documents(whole(0, text))
    except yamltext.TextError:
        return None
    return found.value["tested"]


# One kubectl reads all of an example's texts: starting it takes longest.
@settings(
    max_examples=4,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(texts=st.lists(document, min_size=150, max_size=300))
def test_yaml_is_read_as_kubectl_reads_it(api_server: ControlPlane, texts: list[str]) -> None:
    wrong = []
    for text, theirs in zip(texts, kubectl(api_server, texts), strict=True):
        mine = ours(text)
        # Texts that only kubectl accepts: see the docstring of yamltext.
        if mine is not None and json.dumps(mine, sort_keys=True) != json.dumps(theirs, sort_keys=True):
            wrong.append((text, mine, theirs))
    assert not wrong


def test_only_documented_differences_are_refused(api_server: ControlPlane) -> None:
    """Of single scalars, kubectl takes nothing that we do not, but for bytes that are no text and tags with a comma."""
    texts = [f"x: {first}{second}" for first in PIECES for second in PIECES if first != "!!binary"]
    theirs = kubectl(api_server, texts)
    refused = [text for text, value in zip(texts, theirs, strict=True) if value is not None and ours(text) is None]
    assert [text for text in refused if not TAG_AND_COMMA.search(text)] == []


CHARACTERS = (
    '🚀 é \x00 \x01 \x1f \x7f \x80 \x85 \x9f \u2028 \u2029 \ufeff \ufffe \uffff \U0001ffff \U0010ffff \\ " \r\n\t'
)


def test_every_character_arrives(cluster: Cluster, namespace: str, actions: Actions) -> None:
    about = {"name": "emoji", "annotations": {"example.com/a": CHARACTERS}}
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": about, "data": {"a": CHARACTERS}}
    # As a variable, as Ansible's to_json writes it into a template, and as people write it.
    for form in (config, f"# A template\n{json.dumps(config)}", yamltext.dump(config)):
        cluster.apply("emoji", namespace, [form] if isinstance(form, dict) else form)
        found = cluster.get(f"/api/v1/namespaces/{namespace}/configmaps/emoji")
        assert found
        assert found["data"] == {"a": CHARACTERS}
        assert found["metadata"]["annotations"]["example.com/a"] == CHARACTERS
    assert set(actions(cluster.apply("emoji", namespace, [config])).values()) == {"unchanged"}


def test_every_character_is_known_again(cluster: Cluster, namespace: str) -> None:
    """Elements of sets and keys of maps are in the server's record of fields, as Go writes JSON."""
    (crd,) = [
        json.loads(json.dumps(item).replace("apply.example.com", "letters.example.com"))
        for item in curated()
        if item["metadata"]["name"] == "things.apply.example.com"
    ]
    cluster.apply("letters-crd", namespace, [crd])

    texts = [*CHARACTERS.split(" "), "<&>", "\b\f", "\\b"]
    spec = {
        "tags": texts,
        "parts": [{"name": text, "zone": "z"} for text in texts],
        "free": dict.fromkeys(texts, "x"),
    }
    thing = {"apiVersion": "letters.example.com/v1", "kind": "Thing", "metadata": {"name": "one"}, "spec": spec}
    cluster.apply("letters", namespace, [thing])
    live = cluster.get(f"/apis/letters.example.com/v1/namespaces/{namespace}/things/one")
    assert live
    (entry,) = fields.managed_by(live, fields.MANAGER)
    recorded = entry["fieldsV1"]["f:spec"]
    assert set(recorded["f:tags"]) == {f"v:{fields.compact(text)}" for text in texts}
    assert set(recorded["f:parts"]) == {f"k:{fields.compact({'name': text, 'zone': 'z'})}" for text in texts}
    assert set(recorded["f:free"]) == {f"f:{text}" for text in texts}
    assert not cluster.apply("letters", namespace, [thing]).changed
