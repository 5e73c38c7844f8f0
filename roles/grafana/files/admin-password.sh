#!/bin/sh
# Give Grafana's administrator the password that is declared; Grafana itself takes it when it makes its database only.
#
# DATABASE   the file with the database; empty if it is elsewhere
# CONFIG     Grafana's settings
# PASSWORD   the file with the password
set -u

if [ -n "$DATABASE" ] && [ ! -e "$DATABASE" ]; then
  echo "There is no database yet: Grafana makes it with the password."
  exit 0
fi
# By standard input: the list of processes is no place for it. A failure is no reason to be without alarms.
if ! grafana cli --homepath /usr/share/grafana --config "$CONFIG" admin reset-admin-password --password-from-stdin < "$PASSWORD"; then
  echo "! The administrator keeps the password that it has, for the reason above." >&2
fi
