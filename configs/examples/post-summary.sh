#!/bin/sh
# Post the verdict of a results folder: WEBHOOK=https://... sh post-summary.sh reports/NAME
set -eu
: "${WEBHOOK:?names no address to post to}"
message=$(mktemp)
trap 'rm -f "$message"' EXIT
focus-audit export "$1" --to summary --out "$message"
# Where the receiver takes nothing but text: jq '{text}' "$message" | curl ... --data-binary @-
curl --fail --silent --show-error --max-time 30 --retry 3 \
    --header 'Content-Type: application/json' --data-binary "@$message" "$WEBHOOK"
