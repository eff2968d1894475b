#!/bin/sh
# By MQTT, with a broker of its own. Nothing needs to be started in order: blesend keeps what nobody takes yet.
# Usage: 3-mqtt.sh CAPTURE DATABASE PORT
set -eu
capture=$1 database=$2 port=$3

batches=$(blescan --replay "$capture" --device-id pi-example | wc -l)
blescan --replay "$capture" --device-id pi-example | blesend --mode mqtt --broker localhost --port "$port" &
sender=$!
PATH=$PATH:/usr/sbin mosquitto -p "$port" &
broker=$!
trap 'kill "$broker"; wait "$broker"' EXIT

echo "$batches batches to come; stored:"
blesub --broker localhost --port "$port" --count "$batches" | bleingest --db "$database" | wc -l
wait "$sender"
