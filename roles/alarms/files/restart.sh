#!/bin/sh
# Have Grafana read its alarms: put their hash into the template of its pods, so that its controller replaces them.
# Contact points hold environment variables, which a running Grafana does not read again.
set -eu

api="https://${KUBERNETES_SERVICE_HOST}:${KUBERNETES_SERVICE_PORT}/apis/apps/v1/namespaces/${NAMESPACE}"
account="${SERVICE_ACCOUNT:-/var/run/secrets/kubernetes.io/serviceaccount}"
patch="{\"spec\":{\"template\":{\"metadata\":{\"annotations\":{\"dataplatform.fleet/alerting\":\"${HASH}\"}}}}}"

for kind in deployments statefulsets; do
  # The token comes by standard input: the list of processes is no place for it.
  code=$(
    printf 'Authorization: Bearer %s\n' "$(cat "${account}/token")" |
      curl --silent --show-error --max-time 30 --retry 5 --retry-connrefused --cacert "${account}/ca.crt" \
        --output /dev/null --write-out '%{http_code}' --request PATCH --header @- \
        --header 'Content-Type: application/strategic-merge-patch+json' --data "${patch}" \
        "${api}/${kind}/${GRAFANA}?fieldManager=grafana-alerting"
  )
  case "${code}" in
    200)
      echo "The ${kind%s} ${GRAFANA} reads alarms ${HASH}."
      exit 0
      ;;
    404) ;;
    *)
      echo "The API server answers ${code} to the change of ${kind%s} ${GRAFANA}." >&2
      exit 1
      ;;
  esac
done
echo "There is no ${GRAFANA} yet; it reads alarms ${HASH} when it starts."
