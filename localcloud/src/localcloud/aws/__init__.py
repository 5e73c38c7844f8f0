# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ministack's account lacks of AWS: the EKS API's full behaviour, and the rules of the services around it.

Modules that load ministack are imported after its environment is set, so this package imports none.
"""
