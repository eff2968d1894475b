#!/bin/sh
# One store, by MQTT and HTTP at the same time. Each has a FIFO of its own: a FIFO has one writer and one reader.
# Usage: 5-two-ways.sh CAPTURE DATABASE MQTT-PORT HTTP-PORT
set -eu
capture=$1 database=$2 mqtt_port=$3 http_port=$4

batches=$(blescan --replay "$capture" --device-id pi-by-mqtt | wc -l)
folder=$(mktemp -d)
mkfifo "$folder/mqtt" "$folder/http"
PATH=$PATH:/usr/sbin mosquitto -p "$mqtt_port" &
broker=$!
blesub --broker 127.0.0.1 --port "$mqtt_port" --client-id backend --count "$batches" >"$folder/mqtt" 2>"$folder/said" &
subscriber=$!
blerecv --port "$http_port" >"$folder/http" &
receiver=$!
bleingest --db "$database" "$folder/mqtt" "$folder/http" >"$folder/events" &
store=$!
trap 'kill "$broker"; wait "$broker"; rm -rf "$folder"' EXIT

until grep -s "subscribed to" "$folder/said"; do sleep 0.1; done
blescan --replay "$capture" --device-id pi-by-mqtt | blesend --mode mqtt --broker 127.0.0.1 --port "$mqtt_port"
blescan --replay "$capture" --device-id pi-by-http | blesend --mode http --url "http://127.0.0.1:$http_port"

# blesend by HTTP ends when all is stored. By MQTT it ends when the broker has all, so blesub counts them.
# When both receivers have ended, so has the input of bleingest.
wait "$subscriber"
kill "$receiver"
wait "$store"
sqlite3 "$database" "SELECT device_id, count(*) FROM batches JOIN devices ON batches.device = devices.id GROUP BY 1"
