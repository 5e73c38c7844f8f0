#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: canary
short_description: Follow a canary along the data path
version_added: 0.1.0
author: The dataplatform.fleet authors (@dataplatform-fleet)
description:
  - Looks for a metric, a line of a log and an alarm of a canary, hop after hop, from its pod in a member's cluster to
    Grafana in the controlplane. The role P(dataplatform.fleet.verify#role) makes the canary, and takes it away again.
  - A canary that is lost on its way does not make the task fail. RV(hops) says where.
  - Pods are reached through their cluster's API server, by forwarded ports and commands, so that no NetworkPolicy has
    to let anybody in. TLS is verified by the fleet's roots.
options:
  cluster:
    description:
      - Name of the member's EKS cluster.
    type: str
  controlplane:
    description:
      - How the controlplane's cluster is reached, with the same options as the member's own. Without it the hops there
        are not run.
    type: dict
  run:
    description:
      - The canary's name, letters and digits only.
    type: str
    required: true
  member:
    description:
      - The member's name, which topics and data streams end in.
    type: str
    required: true
  since:
    description:
      - When the canary was made, in seconds since 1970.
    type: float
    required: true
  ca:
    description:
      - PEM text of the fleet's roots.
    type: str
    required: true
  timeout:
    description:
      - Seconds to wait at each hop.
    type: int
    default: 180
  alarm_timeout:
    description:
      - Seconds to wait at each hop of the alarm, which takes several scrapes, evaluations and Grafana's group wait.
    type: int
    default: 420
  interval:
    description:
      - Seconds between two questions.
    type: int
    default: 3
  kafka_in_cluster:
    description:
      - Whether Kafka's brokers are pods of the controlplane. Others are not asked.
    type: bool
    default: true
  alarm_environment:
    description:
      - An environment of the role P(dataplatform.fleet.alarms#role) with test receivers of its own, to which a real
        alarm is sent. Empty, nothing is sent.
    type: str
    default: ""
  email:
    description:
      - The mailbox of the test receivers, in which the test alarm's message is looked for by IMAP. It is only read.
      - Without it V(email) is not run, if the environment has such a receiver.
    type: dict
    suboptions:
      host:
        description: The IMAP server.
        type: str
        required: true
      port:
        description: Its port.
        type: int
        default: 993
      tls:
        description:
          - Whether the connection begins with TLS, or is turned to it by STARTTLS, as on port 143.
          - The server's certificate is verified by the controller's roots.
        type: str
        choices: [implicit, starttls]
        default: implicit
      user:
        description: Whose mailbox it is.
        type: str
        required: true
      password:
        description: That user's password, or one for this application.
        type: str
        required: true
      folder:
        description: In which folder the message is.
        type: str
        default: INBOX
  slack:
    description:
      - The channel of the test receivers, in which the test alarm's message is looked for by Slack's
        C(conversations.history).
      - Without it V(slack) is not run, if the environment has such a receiver.
    type: dict
    suboptions:
      channel:
        description: The channel's identifier, such as V(C0123456789), not its name.
        type: str
        required: true
      token:
        description:
          - Token of a bot that is a member of the channel, with the scope C(channels:history), or C(groups:history) if
            the channel is private.
        type: str
        required: true
      url:
        description: Address of Slack's API, by HTTPS.
        type: str
        default: https://slack.com/api
  elasticsearch_user:
    description:
      - Who asks Elasticsearch.
    type: str
    default: grafana_reader
  elasticsearch_password:
    description:
      - That user's password.
    type: str
    default: ""
  grafana_user:
    description:
      - Who asks Grafana. Its rules are shown to administrators.
    type: str
    default: admin
  grafana_password:
    description:
      - That user's password.
    type: str
    default: ""
attributes:
  check_mode:
    description: In check mode nobody is asked, and no hop is run.
    support: full
  diff_mode:
    description: Nothing is changed, so there is nothing to show.
    support: none
notes:
  - This is an action plugin, it talks to AWS and Kubernetes from the controller.
  - "Needs C(eks:DescribeCluster), and in Kubernetes the rights to list ConfigMaps, Nodes, Pods and workloads, to read
    pods' logs, and to create C(pods/exec) and C(pods/portforward)."
requirements:
  - websocket-client
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - dataplatform.fleet.connection
seealso:
  - module: dataplatform.fleet.component_info
"""

EXAMPLES = r"""
- name: Follow the canary that is there
  dataplatform.fleet.canary:
    cluster: dataplatform-staging
    region: eu-central-1
    controlplane:
      cluster: dataplatform-controlplane
      region: eu-central-1
    run: canary0123456789abcdef
    member: staging
    since: "{{ canary_made_at }}"
    ca: "{{ lookup('dataplatform.fleet.fleet_secret', 'staging/issuer/ca') }}"
    elasticsearch_password: "{{ lookup('dataplatform.fleet.fleet_secret', 'controlplane/passwords/grafana-reader') }}"
    grafana_password: "{{ lookup('dataplatform.fleet.fleet_secret', 'controlplane/passwords/grafana-admin') }}"
  register: path

- name: Send a test alarm as well, and look for it in its mailbox and channel
  dataplatform.fleet.canary:
    cluster: dataplatform-staging
    region: eu-central-1
    controlplane:
      cluster: dataplatform-controlplane
      region: eu-central-1
    run: canary0123456789abcdef
    member: staging
    since: "{{ canary_made_at }}"
    ca: "{{ lookup('dataplatform.fleet.fleet_secret', 'staging/issuer/ca') }}"
    grafana_password: "{{ lookup('dataplatform.fleet.fleet_secret', 'controlplane/passwords/grafana-admin') }}"
    alarm_environment: rehearsal
    email:
      host: imap.example.com
      user: alarm-test@example.com
      password: "{{ lookup('dataplatform.fleet.fleet_secret', 'controlplane/alarm-test/mailbox') }}"
    slack:
      channel: C0123456789
      token: "{{ lookup('dataplatform.fleet.fleet_secret', 'controlplane/alarm-test/slack') }}"
  register: path
"""

RETURN = r"""
hops:
  description: What was found at each hop, in the order of the path.
  returned: success
  type: list
  elements: dict
  contains:
    signal:
      description: V(metric), V(log) or V(alarm).
      type: str
    hop:
      description: Its name.
      type: str
    status:
      description:
        - V(seen), or V(missing) if the canary was not there in time.
        - V(failed) if the hop could not be queried, and V(not_reached) behind a hop at which the canary is missing.
        - V(not_run) where nothing runs that could be asked, such as simulated pods, and V(off) if it was not asked for.
      type: str
    seconds:
      description: From O(since) until the canary was there, if it was.
      type: float
    text:
      description: What was wrong.
      type: str
    look:
      description: What to look at.
      type: str
  sample:
    - signal: metric
      hop: prometheus
      status: seen
      seconds: 21.4
      text: ""
      look: ""
table:
  description: The same for people.
  returned: success
  type: str
"""
