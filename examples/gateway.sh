#!/bin/sh
# The gateway with curl: one captcha, then a list whose answers come as they are ready.
#
#     sh examples/gateway.sh captcha.jpg
#
# TILEFLEET_GATEWAY: its address. TILEFLEET_KEY: an API key, where it asks for one.
set -eu
gateway=${TILEFLEET_GATEWAY:-http://127.0.0.1:8000}
picture=${1:?give a picture}

ask() { curl --silent --show-error --fail-with-body --header "X-API-Key: ${TILEFLEET_KEY:-}" "$@"; }

# Tried again while the fleet is busy or away, as long as Retry-After says. The key makes it one
# request, however often it is sent: an answer whose reply was lost is not read twice.
key=$(date +%s)-$$
ask --retry 5 --header "Idempotency-Key: $key" --data-binary "@$picture" "$gateway/v1/solve?timeout=10"
echo

ask --no-buffer --header "Accept: application/x-ndjson" \
    --form "images=@$picture" --form "images=@$picture" "$gateway/v1/solve-many"
