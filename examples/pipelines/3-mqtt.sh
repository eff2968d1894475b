#!/bin/sh
# By MQTT, with a broker of its own, and a topic for each Pi.
# Usage: 3-mqtt.sh CAPTURE DATABASE PORT
set -eu
capture=$1 database=$2 port=$3

batches=$(blescan --replay "$capture" --device-id pi-example | wc -l)
folder=$(mktemp -d)
PATH=$PATH:/usr/sbin mosquitto -p "$port" &
broker=$!
trap 'kill "$broker"; wait "$broker"; rm -rf "$folder"' EXIT

blesub --broker 127.0.0.1 --port "$port" --topic-device --count "$batches" 2>"$folder/said" | bleingest --db "$database" >"$folder/events" &
backend=$!
until grep -s "subscribed to" "$folder/said"; do sleep 0.1; done

blescan --replay "$capture" --device-id pi-example | blesend --mode mqtt --broker 127.0.0.1 --port "$port" \
    --topic 'tfg/detections/raw/{device_id}'
wait "$backend"
echo "$(wc -l <"$folder/events") of $batches batches stored"
