#!/bin/sh
# Registers one instance of a service with a Sluice gateway over HTTP, and keeps it registered until told to stop.
# usage: register.sh URL SERVICE INSTANCE ADDRESS PORT [TTL SECONDS]
#   URL is that of `registry.http`, such as http://127.0.0.1:9466
#   CURL_OPTIONS: what curl needs besides, such as --cacert FILE --cert FILE --key FILE, or --oauth2-bearer TOKEN
set -eu
[ $# -ge 5 ] || { sed -n 's/^# //p' "$0" >&2; exit 2; }
instance=$1/v1/services/$2/instances/$3
ttl=${6:-30}
body=$(printf '{"address": "%s", "port": %d, "ttl": "%ds"}' "$4" "$5" "$ttl")

# shellcheck disable=SC2086  # they are several words
ask() { curl -sS -m 5 -o /dev/null -w '%{http_code}' ${CURL_OPTIONS:-} "$@" || true; }

stop() {
  [ "$(ask -X DELETE "$instance")" = 200 ] || echo "could not deregister: the lease will end by itself" >&2
  exit 0
}
trap stop TERM INT

pause=$((ttl / 3 > 0 ? ttl / 3 : 1))
is_registered=
while :; do
  if [ -n "$is_registered" ]; then status=$(ask -X POST "$instance/renew"); else status=$(ask -X PUT --data "$body" "$instance"); fi
  case $status in
    200) is_registered=yes ;;
    404) is_registered= ; continue ;;  # the lease has ended: begin anew at once
    400 | 401) echo "the gateway refuses this instance: HTTP status $status" >&2; exit 1 ;;
    *) echo "no answer from the gateway (HTTP status $status): trying again" >&2 ;;
  esac
  sleep "$pause" & wait $! || true  # so that a signal is heeded at once
done
