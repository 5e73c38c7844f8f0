#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: x509_certificates
short_description: Create private keys and X.509 certificates
version_added: 0.1.0
description:
  - Creates a new P-256 private key and a certificate for each entry of a list, in one task. They are only returned, and
    written nowhere.
  - A certificate is valid from one hour before, so that peers whose clocks are behind accept it.
  - Each run creates new ones. What is due is decided before, as the role P(dataplatform.fleet.pki#role) does.
options:
  certificates:
    description:
      - The certificates to create. One without O(certificates[].path_length) is a server's and client's.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description:
          - The key of the certificate in RV(certificates).
        type: str
        required: true
      common_name:
        description:
          - The common name of the subject. By default it is O(certificates[].name).
        type: str
      dns_names:
        description:
          - The DNS names that the certificate is valid for.
        type: list
        elements: str
        default: []
      not_after:
        description:
          - The end of its validity in UTC, as C(YYYYMMDDhhmmssZ).
        type: str
        required: true
      path_length:
        description:
          - Makes it the certificate of an authority, and limits the authorities that can follow in a chain.
        type: int
      excluded_dns_names:
        description:
          - The domains for which the authority can sign no name.
        type: list
        elements: str
        default: []
  self_signed:
    description:
      - Sign each certificate with its own key, in place of an issuer's.
    type: bool
    default: false
  issuer_certificate:
    description:
      - The certificate of the issuer, as PEM. Required without O(self_signed).
    type: str
  issuer_private_key:
    description:
      - The private key of the issuer, as PEM. Required without O(self_signed).
    type: str
requirements:
  - cryptography
attributes:
  check_mode:
    description: In check mode it creates nothing, and returns no certificates.
    support: full
  diff_mode:
    description: Private keys are not shown.
    support: none
  idempotent:
    description: Each run creates other keys.
    support: none
notes:
  - It runs on the controller. Use C(no_log), since the result has the private keys.
author:
  - The dataplatform.fleet authors (@dataplatform-fleet)
"""

EXAMPLES = r"""
- name: Create a root
  dataplatform.fleet.x509_certificates:
    certificates:
      - name: root
        common_name: Example root
        path_length: 1
        not_after: 20360101000000Z
    self_signed: true
  register: root
  no_log: true

- name: Create a server's certificate
  dataplatform.fleet.x509_certificates:
    certificates:
      - name: web
        dns_names: [web.example.com]
        not_after: 20270101000000Z
    issuer_certificate: "{{ root.certificates.root.certificate }}"
    issuer_private_key: "{{ root.certificates.root.private_key }}"
  register: made
  no_log: true
"""

RETURN = r"""
certificates:
  description: The certificates and private keys by name, as PEM.
  returned: always
  type: dict
  contains:
    certificate:
      description: The certificate.
      type: str
      returned: always
    private_key:
      description: Its private key, PKCS #8, not encrypted.
      type: str
      returned: always
"""
