# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading and generation of the catalogues of shipped series, and their pinned versions."""

from __future__ import annotations

import pytest
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._ansible.yaml_files import parse

from localcloud.artifacts.binaries import GO_MOD
from localcloud.artifacts.cache import required_version
from localcloud.artifacts.programs import version
from localcloud.releases.catalog import CATALOG
from observability import catalogue
from observability.catalogue import Relabelling, Series, cited
from observability.catalogue.__main__ import SOURCES
from observability.catalogue.exposition import labels_by_name, samples, series_of, types

PAGE = r"""# HELP a_total Some "help" {with="braces"}.
# TYPE a_total counter
a_total{path="/x,y\"}",code="200",empty=""} 1 1700000000000
a_total 2
# TYPE b histogram
b_bucket{le="+Inf"} 3
b_sum 1.5e-3
b_count 3
"""


def test_a_page_is_read() -> None:
    assert next(iter(samples(PAGE))) == ("a_total", {"path": '/x,y\\"}', "code": "200"})
    assert labels_by_name(PAGE)["a_total"] == {"path", "code"}
    assert types(PAGE) == {"a_total": "counter", "b": "histogram"}


@pytest.mark.parametrize(
    ("kind", "series"),
    [
        ("gauge", {"x": {"a"}}),
        ("histogram", {"x_bucket": {"a", "le"}, "x_sum": {"a"}, "x_count": {"a"}}),
        ("summary", {"x": {"a", "quantile"}, "x_sum": {"a"}, "x_count": {"a"}}),
    ],
)
def test_a_family_has_these_series(kind: str, series: dict[str, set[str]]) -> None:
    assert dict(series_of("x", kind, frozenset({"a"}))) == series


GO = """
const prefix = "kubelet"
const (
	nameKey = "runs_total"
)
var shared = []string{"server"}
var (
	A = NewCounterVec(&CounterOpts{
		Subsystem: prefix, Name: nameKey,
		Help: "Of {braces}.",
	}, []string{"kind", other.LabelKey})
	B = NewGauge(GaugeOpts{Namespace: "n", Name: "b"})
	C = NewHistogramVec(HistogramOpts{Name: "c"}, shared)
	D = NewGauge(GaugeOpts{Name: unknown})
)
"""


def test_metric_declarations_in_go_are_parsed() -> None:
    found = list(cited.declared(GO, {"LabelKey": "operation"}))
    assert [(name, kind, labels) for name, kind, labels, _ in found] == [
        ("kubelet_runs_total", "counter", frozenset({"kind", "operation"})),
        ("n_b", "gauge", frozenset()),
        ("c", "histogram", frozenset({"server"})),
    ]
    assert found[0][3] == 8


def test_excluded_series_are_not_listed() -> None:
    left_out = Relabelling(["secret_.*"], frozenset({"id"}), ["kept"])
    own = frozenset({"id", "kind"})
    made = catalogue.text(
        "apiserver",
        [Series(name, own, "x 1") for name in ("secret_x", "a", "kept_bucket", "other_bucket", "other_sum")],
        left_out,
    )
    names = [line.split("\t")[0] for line in made.splitlines()]
    assert names == ["a", "kept_bucket", "other_sum"]
    assert made.splitlines()[0] == "a\tcluster,environment,instance,job,kind\tx 1"


@pytest.mark.parametrize("job", sorted(SOURCES))
def test_a_file_is_as_it_would_be_written(job: str) -> None:
    series = catalogue.read(job)
    assert "".join(f"{one.line()}\n" for one in series) == catalogue.path(job).read_text(encoding="utf-8")
    assert [one.name for one in series] == sorted({one.name for one in series})
    assert all(one.labels >= catalogue.TARGET_LABELS[job] for one in series)
    assert "up" in {one.name for one in series}


def _ingress_version() -> str:
    path = catalogue.CHECKOUT / "roles" / "ingress_nginx" / "defaults" / "main.yml"
    return str(parse(path.read_text(encoding="utf-8"))["ingress_nginx_version"])


@pytest.mark.parametrize(
    ("job", "program", "wanted"),
    [
        ("node_exporter", "node_exporter", version("node_exporter")),
        ("kube_state_metrics", "kube-state-metrics", version("kube-state-metrics")),
        ("prometheus", "prometheus", version("prometheus")),
        ("telegraf", "telegraf", version("telegraf")),
        ("apiserver", "kube-apiserver", required_version(GO_MOD, "k8s.io/kubernetes")),
        ("kubelet", "kubernetes", required_version(GO_MOD, "k8s.io/kubernetes")),
        ("ingress_nginx", "kubernetes-ingress", _ingress_version()),
        ("coredns", "coredns", cited.COREDNS),
    ],
)
def test_a_file_is_of_the_pinned_version(job: str, program: str, wanted: str) -> None:
    versions = {
        one.source.split()[1].rstrip(",")
        for one in catalogue.read(job)
        if one.source.split()[0] == program and " " in one.source
    }
    assert versions == {wanted}, f"{job}.txt is of another version: run `python -m observability.catalogue {job}`"


def test_coredns_is_the_newest_that_eks_offers() -> None:
    assert CATALOG["coredns"].releases[0][0].startswith(f"v{cited.COREDNS}-eksbuild")


def test_a_cited_line_names_its_place() -> None:
    for job in ("kubelet", "cadvisor", "coredns", "ingress_nginx"):
        for one in catalogue.read(job):
            assert one.source == "prometheus" or "#L" in one.source, one
