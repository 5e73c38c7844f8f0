# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    # For modules that only look at a cluster. Each says itself what its option cluster is.
    DOCUMENTATION = r"""
options:
  kubeconfig:
    description:
      - A kubeconfig file, or several that are separated as in E(KUBECONFIG). O(cluster) is then only a name.
    type: path
  context:
    description:
      - The context of O(kubeconfig); its current one if not given.
    type: str
  proxy_url:
    description:
      - An HTTP proxy through which the API server is reached.
    type: str
  tls_server_name:
    description:
      - The name that the API server's certificate is checked for, when it is not the one in its URL.
    type: str
"""
