#!/bin/sh
# Into a database, without a network. To store the same batches twice changes nothing. Usage: 2-store.sh CAPTURE DATABASE
set -eu
capture=$1 database=$2

batches=$(mktemp)
trap 'rm -f "$batches"' EXIT
blescan --replay "$capture" --device-id pi-example >"$batches"

echo "Stored the first time:  $(bleingest --db "$database" <"$batches" | wc -l)"
echo "Stored the second time: $(bleingest --db "$database" <"$batches" | wc -l)"
sqlite3 "$database" "SELECT count(*) || ' detections in ' || (SELECT count(*) FROM batches) || ' batches' FROM detections"
