#!/bin/sh
# What is in a capture? Reports, then windows, then beacons. Usage: 1-look.sh CAPTURE
set -eu
capture=$1

echo "The first three advertising reports:"
blescan --replay "$capture" --each | head -3

echo "Each scan window, and how many advertisers were near:"
blescan --replay "$capture" --device-id pi-example |
    jq -r '[.timestamp, (.detections | length), ([.detections[] | select(.zone == "near")] | length)] | @tsv'

echo "Kinds of beacons:"
blescan --replay "$capture" --device-id pi-example --detail |
    jq -r '.detections[].beacon | select(.) | keys[]' | sort | uniq -c
