# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS behaviour that ministack lacks: the whole EKS API, and rules of the services that EKS uses.

ministack's environment must be set before a module that loads it is imported, so this package imports none of them.
"""
