# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kinds of values by name, those of AWS among them: what ``limits`` checks."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.normalise import quantity
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._limits import kinds_aws
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._limits.kind import Kind, Value, network
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._limits.times import cron, lasts, quartz


def _amount(least: str, most: str) -> Callable[[Value], bool]:
    least_, most_ = quantity(least), quantity(most)

    def holds(value: Value) -> bool:
        found = quantity(str(value))
        return found is not None and least_ is not None and most_ is not None and least_ <= found <= most_

    return holds


# What is an amount the house's own parser says, see _amount.
_AMOUNT = r"[+0-9.][0-9.]*([a-zA-Z][-+a-zA-Z0-9]*)?"
_LABEL = "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_HOST = r"[A-Za-z0-9_]([-A-Za-z0-9_]{0,61}[A-Za-z0-9_])?(\.[A-Za-z0-9_]([-A-Za-z0-9_]{0,61}[A-Za-z0-9_])?)*\.?"
_PORT = r"(6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[1-5][0-9]{4}|[1-9][0-9]{0,3})"
_QUALIFIED = rf"({_SUBDOMAIN}/)?[A-Za-z0-9]([-A-Za-z0-9_.]{{0,61}}[A-Za-z0-9])?"
_KUBERNETES_NAMES = "https://kubernetes.io/docs/concepts/overview/working-with-objects/names/"
_LABELS = "https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set"
_QUANTITY = "https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/"
_EBS = "https://docs.aws.amazon.com/ebs/latest/userguide/volume_constraints.html"

KINDS: Mapping[str, Kind] = {
    **kinds_aws.KINDS,
    "text": Kind("one line of text of up to 1024 characters", "a line that people read", longest=1024),
    "some_text": Kind("one line of text of 1 to 1024 characters", "a line that people read", r"[^\r\n]+", 1024),
    "lines": Kind("text", "PEM and other texts of several lines", r"(?s).*", 2**20),
    "dns_label": Kind(
        "a DNS label: 1 to 63 lower-case letters, digits and '-', such as team-a", _KUBERNETES_NAMES, _LABEL, 63
    ),
    "member": Kind(
        "a member's name: a letter, then lower-case letters, digits and '-', the last no '-', up to 63",
        _KUBERNETES_NAMES,
        "[a-z]([-a-z0-9]{0,61}[a-z0-9])?",
        63,
    ),
    "fleet": Kind(
        "a letter, then lower-case letters, digits and '-', the last no '-', up to 63, not beginning with aws or ssm",
        "https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html",
        "(?!aws|ssm)[a-z]([-a-z0-9]{0,61}[a-z0-9])?",
        63,
    ),
    "word": Kind(
        "a word of 1 to 63 letters, digits, '-', '_' and '.'", _LABELS, "[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?", 63
    ),
    "dns_subdomain": Kind(
        "a DNS name of up to 253 lower-case letters, digits, '-' and '.'", _KUBERNETES_NAMES, _SUBDOMAIN, 253
    ),
    "object_path": Kind(
        "the name of a Secret, or <namespace>/<name>", _KUBERNETES_NAMES, rf"({_LABEL}/)?{_SUBDOMAIN}", 317
    ),
    "host": Kind("a host name or an IPv4 address", "https://www.rfc-editor.org/rfc/rfc1123#section-2", _HOST, 253),
    "host_port": Kind("host:port", "https://www.rfc-editor.org/rfc/rfc3986#section-3.2", rf"{_HOST}(:{_PORT})", 259),
    "host_optional_port": Kind(
        "a host, with an optional :port",
        "https://www.rfc-editor.org/rfc/rfc3986#section-3.2",
        rf"{_HOST}(:{_PORT})?",
        259,
    ),
    "host_ports": Kind(
        "host:port, several with commas between them",
        "https://kafka.apache.org/documentation/#producerconfigs_bootstrap.servers",
        rf"{_HOST}:{_PORT}( *, *{_HOST}:{_PORT})*",
    ),
    "url": Kind(
        "a URL that begins with http:// or https://",
        "https://www.rfc-editor.org/rfc/rfc9110#section-4.2",
        rf"https?://([^/@\s]+@)?({_HOST}|\[[0-9a-fA-F:]+\])(:{_PORT})?([/?#][^\s]*)?",
        2048,
    ),
    "cidr": Kind(
        "a network such as 10.0.0.0/8, its first address before the slash",
        "https://kubernetes.io/docs/reference/kubernetes-api/policy-resources/network-policy-v1/",
        "[0-9a-fA-F:.]+/[0-9]{1,3}",
        49,
        network,
    ),
    "email": Kind(
        "an email address",
        "https://www.rfc-editor.org/rfc/rfc5321#section-4.5.3.1",
        rf"[^@\s,;<>\"]{{1,64}}@{_HOST}",
        254,
    ),
    "path": Kind(
        "an absolute path without '..'",
        "https://kubernetes.io/docs/concepts/storage/volumes/#hostpath",
        r"/(?!(.*/)?\.\.(/|$))[^\r\n:]+",
    ),
    "file": Kind("a path of a file", "the controller's file system", r"[^\r\n]+"),
    "registry": Kind(
        "a registry with an optional path, in lower case and without https://, such as registry.k8s.io",
        "https://github.com/distribution/reference/blob/main/regexp.go",
        rf"(?![a-z]+://){_HOST}(:{_PORT})?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*",
        255,
    ),
    "repository": Kind(
        "a repository in lower case such as nginx/nginx-ingress, without its tag",
        "https://github.com/distribution/reference/blob/main/regexp.go",
        "[a-z0-9]+([._-]+[a-z0-9]+)*(/[a-z0-9]+([._-]+[a-z0-9]+)*)*",
        255,
    ),
    "image_tag": Kind(
        "an image's tag: up to 128 letters, digits, '_', '.' and '-'",
        "https://github.com/distribution/reference/blob/main/regexp.go",
        r"(?a:\w[\w.-]{0,127})",
        128,
    ),
    "image_digest": Kind(
        "a digest, sha256: and 64 hexadecimal digits",
        "https://github.com/opencontainers/image-spec/blob/main/descriptor.md#digests",
        "sha256:[0-9a-f]{64}",
        71,
    ),
    "kubernetes_version": Kind(
        "a minor version of Kubernetes such as '1.36', in quotes",
        "https://docs.aws.amazon.com/eks/latest/userguide/kubernetes-versions.html",
        r"1\.[0-9]{1,3}",
    ),
    "pod_security_version": Kind(
        "latest, or a minor version such as v1.36",
        "https://kubernetes.io/docs/concepts/security/pod-security-admission/",
        r"latest|v1\.[0-9]{1,3}",
    ),
    "quantity": Kind(
        "a quantity of Kubernetes such as 500m, 2 or 10Gi", _QUANTITY, _AMOUNT, 32, _amount("0", "9223372036854775807")
    ),
    "some_quantity": Kind(
        "a quantity of Kubernetes above 0 such as 500m, 2 or 10Gi",
        _QUANTITY,
        _AMOUNT,
        32,
        _amount("1m", "9223372036854775807"),
    ),
    "cpu": Kind("cores of a CPU above 0, such as 500m or 2", _QUANTITY, _AMOUNT, 32, _amount("1m", "1024")),
    "memory": Kind(
        "an amount of memory of at least 4Mi, such as 512Mi or 2Gi", _QUANTITY, _AMOUNT, 32, _amount("4Mi", "32Ti")
    ),
    "volume": Kind("a size of 1Gi to 64Ti such as 50Gi", _EBS, _AMOUNT, 32, _amount("1Gi", "64Ti")),
    "heap": Kind(
        "a size of the JVM's heap such as 512m or 4g",
        "https://docs.oracle.com/en/java/javase/21/docs/specs/man/java.html",
        "[1-9][0-9]{0,5}[mMgG]",
    ),
    "label_key": Kind("the key of a label, such as team or example.com/team", _LABELS, _QUALIFIED, 317, text=True),
    "label_value": Kind(
        "a label's value: text of up to 63 letters, digits, '-', '_' and '.'",
        _LABELS,
        "([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?",
        63,
        text=True,
    ),
    "annotation": Kind(
        "text, a number or a boolean",
        "https://kubernetes.io/docs/concepts/overview/working-with-objects/annotations/",
        r"(?s).*",
        2**18,
        text=True,
    ),
    "resource_name": Kind(
        "a resource such as cpu, memory, ephemeral-storage or example.com/gpu",
        "https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/",
        rf"ephemeral-storage|hugepages-[0-9]+[KMG]i|{_SUBDOMAIN}/[A-Za-z0-9]([-A-Za-z0-9_.]{{0,61}}[A-Za-z0-9])?",
    ),
    "quota_name": Kind(
        "what a ResourceQuota counts, such as pods, requests.cpu or count/jobs.batch",
        "https://kubernetes.io/docs/concepts/policy/resource-quotas/",
        r"bindings|configmaps|cpu|ephemeral-storage|memory|persistentvolumeclaims|replicationcontrollers|resourcequotas"
        r"|secrets|services(\.loadbalancers|\.nodeports)?|hugepages-[0-9]+[KMG]i|count/[a-z0-9.-]+|(requests|limits)\.[^\s]+"
        r"|[a-z0-9.-]+\.storageclass\.storage\.k8s\.io/[a-z.]+",
    ),
    "topic": Kind(
        "a topic: up to 249 letters, digits, '.', '_' and '-', and not '.' or '..'",
        "https://github.com/apache/kafka/blob/4.0/clients/src/main/java/org/apache/kafka/common/internals/Topic.java",
        r"(?!\.{1,2}$)[a-zA-Z0-9._-]+",
        249,
    ),
    "kafka_id": Kind(
        "22 characters, the base64url of 16 bytes",
        "https://github.com/apache/kafka/blob/4.0/clients/src/main/java/org/apache/kafka/common/Uuid.java",
        "[A-Za-z0-9_-]{22}",
    ),
    "user": Kind(
        "the name of a user: 1 to 128 letters, digits and ._@-",
        "https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-security-put-user",
        r"(?a:[\w.@-]+)",
        128,
    ),
    "secret_key": Kind(
        "a name of letters, digits and '-', '_' and '.', since it is a key of a Secret",
        "https://kubernetes.io/docs/concepts/configuration/secret/#restriction-names-data",
        "[-._a-zA-Z0-9]+",
        253,
    ),
    "elasticsearch_role": Kind(
        "the name of a role, such as logs:read",
        "https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-security-put-role",
        r"[!-~]([ -~]{0,505}[!-~])?",
        507,
    ),
    "priority_class": Kind(
        "a DNS name of up to 253 lower-case letters, digits, '-' and '.' that does not begin with system-",
        "https://kubernetes.io/docs/concepts/scheduling-eviction/pod-priority-preemption/#priorityclass",
        rf"(?!system-){_SUBDOMAIN}",
        253,
    ),
    "index_pattern": Kind(
        "names of indices in lower case, which may contain '*' and ','",
        "https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-indices-create",
        r"[a-z0-9*._][a-z0-9*._,:-]*",
        1024,
    ),
    "days_or_hours": Kind(
        "a duration in d or h, such as 3d or 72h",
        "https://kafka.apache.org/documentation/#brokerconfigs_log.retention.hours",
        "[1-9][0-9]{0,9}[dh]",
        holds=lasts,
    ),
    "elasticsearch_time": Kind(
        "a duration such as 30d or 12h, in one of d, h, m, s, ms, micros, nanos",
        "https://www.elastic.co/docs/reference/elasticsearch/rest-apis/api-conventions#time-units",
        "[1-9][0-9]{0,18}(d|h|m|s|ms|micros|nanos)",
        holds=lasts,
    ),
    "prometheus_time": Kind(
        "a duration such as 30s, 5m or 1h30m, above 0",
        "https://prometheus.io/docs/prometheus/latest/configuration/configuration/#configuration-file",
        "([0-9]+y)?([0-9]+w)?([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?",
        holds=lasts,
    ),
    "go_time": Kind(
        "a duration such as 10m or 1h30m, above 0",
        "https://pkg.go.dev/time#ParseDuration",
        r"([0-9]+(\.[0-9]+)?(ns|us|ms|s|m|h))+",
        holds=lasts,
    ),
    "kibana_time": Kind(
        "a duration such as 8h or 30m",
        "https://www.elastic.co/docs/reference/kibana/configuration-reference/security-settings",
        "[1-9][0-9]{0,18}(ms|[smhdwMY])",
        holds=lasts,
    ),
    "logstash_age": Kind(
        "an age in one of d, h, m and s, such as 7d",
        "https://www.elastic.co/docs/reference/logstash/dead-letter-queues",
        "[1-9][0-9]{0,9}[dhms]",
        holds=lasts,
    ),
    "cron": Kind(
        "five fields of cron such as '17 * * * *'",
        "https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/#schedule-syntax",
        r"[^\r\n]+",
        128,
        cron,
    ),
    "quartz_cron": Kind(
        "six or seven fields of Elasticsearch's cron such as '0 30 1 * * ?'",
        "https://www.elastic.co/docs/explore-analyze/alerts-cases/watcher/schedule-types#schedule-cron",
        r"[^\r\n]+",
        128,
        quartz,
    ),
}
