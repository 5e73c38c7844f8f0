# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    # For lookups that read what the members of a fleet share.
    DOCUMENTATION = r"""
options:
  fleet:
    description: The fleet's name, with which the names in AWS begin.
    type: str
    required: true
    vars:
      - name: fleet_name
  connection:
    description:
      - How to reach the AWS account and the region in which the fleet's shared values are, with the keys C(region),
        C(profile), C(access_key), C(secret_key), C(session_token) and C(endpoint_url). What is missing, botocore finds,
        in the C(environment) of the task, block or play first.
    type: dict
    default: {}
    vars:
      - name: fleet_connection
  members:
    description: The fleet's members, by which the error tells apart who is not declared from who was not run yet.
    type: dict
    vars:
      - name: fleet_members
  values:
    description: Values given by hand, by their paths, such as for a test or without AWS. They come first.
    type: dict
    default: {}
    vars:
      - name: fleet_values
"""
