#!/bin/sh
# One store, fed by MQTT and by HTTP at once, each through a FIFO of its own: a FIFO has one writer and one reader.
# Usage: 5-two-ways.sh CAPTURE DATABASE MQTT-PORT HTTP-PORT
set -eu
capture=$1 database=$2 mqtt_port=$3 http_port=$4

folder=$(mktemp -d)
mkfifo "$folder/mqtt" "$folder/http"
PATH=$PATH:/usr/sbin mosquitto -p "$mqtt_port" &
broker=$!
blesub --broker localhost --port "$mqtt_port" --client-id backend >"$folder/mqtt" &
subscriber=$!
blerecv --port "$http_port" >"$folder/http" &
receiver=$!
bleingest --db "$database" "$folder/mqtt" "$folder/http" >"$folder/events" &
store=$!
trap 'kill "$broker"; wait "$broker"; rm -rf "$folder"' EXIT

blescan --replay "$capture" --device-id pi-by-mqtt | blesend --mode mqtt --broker localhost --port "$mqtt_port"
blescan --replay "$capture" --device-id pi-by-http | blesend --mode http --url "http://localhost:$http_port"

# Ending the receivers is the end of bleingest's input: it finishes what is in the FIFOs and ends.
kill "$subscriber" "$receiver"
wait "$store"
sqlite3 "$database" "SELECT d.device_id, count(*) FROM batches b JOIN runs r ON b.run = r.id JOIN devices d ON r.device = d.id GROUP BY 1"
