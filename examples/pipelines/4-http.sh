#!/bin/sh
# By HTTP. blerecv answers when bleingest has the batch in the database: when blesend ends, all is stored.
# Usage: 4-http.sh CAPTURE DATABASE PORT
set -eu
capture=$1 database=$2 port=$3

fifo=$(mktemp -u)
mkfifo "$fifo"
blerecv --port "$port" >"$fifo" &
receiver=$!
bleingest --db "$database" "$fifo" >/dev/null &
store=$!
trap 'kill "$receiver"; wait "$store"; rm -f "$fifo"' EXIT

blescan --replay "$capture" --device-id pi-example | blesend --mode http --url "http://127.0.0.1:$port"
sqlite3 "$database" "SELECT count(*) || ' batches stored' FROM batches"
