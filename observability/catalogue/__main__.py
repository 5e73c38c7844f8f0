# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Regenerate the catalogues: ``python -m observability.catalogue [job ...]``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping

from observability.catalogue import Series, cited, path, scraped, text

SOURCES: Mapping[str, Callable[[], Iterator[Series]]] = {
    "node_exporter": scraped.node_exporter,
    "kube_state_metrics": scraped.kube_state_metrics,
    "apiserver": scraped.apiserver,
    "prometheus": scraped.prometheus,
    "telegraf": scraped.telegraf,
    "kubelet": cited.kubelet,
    "cadvisor": cited.cadvisor,
    "coredns": cited.coredns,
    "ingress_nginx": cited.ingress_nginx,
}

if __name__ == "__main__":
    for job in sys.argv[1:] or SOURCES:
        content = text(job, SOURCES[job]())
        path(job).write_text(content, encoding="utf-8")
        print(f"{path(job)}: {len(content.splitlines())} series")
