"""Writes what the fuzzers begin with: seeds.py FOLDER, one folder in it for each target."""
import gzip
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
from harness import air  # noqa: E402  (after the path)
from harness.capture import T0, extended, legacy  # noqa: E402
from harness.capture_writers import btsnoop, packet_logger, pcap, pcapng  # noqa: E402

ONE, TWO = "c4:f7:00:00:00:01", "c4:f7:00:00:00:02"
HASH = "b1e91be0" * 8
TIME = "2026-11-22T06:30:10.000Z"
RUN = {"run_id": "9f2c41d07a6be813", "seq": 41}


def batches():
    seen = {"device_hash": HASH, "rssi": -61, "zone": "medium", "timestamp": TIME, "count": 7}
    head = {"format": 1, "device_id": "pi-lab-1", "timestamp": TIME}
    full = {**head, **RUN, "name": "Lab", "location": "Zürich \U0001f4e1", "version": "0.1.0", "window_ms": 10000, "interval_ms": 40000, "clock": "synced",
            "hash_id": "a41c09d2"}
    detail = {"local_name": "x\u0000\"\\", "beacons": [{"type": "ibeacon", "major": 1}], "flags": [1, 2.5e3, None, True, -0.0]}
    yield {**full, "detections": [seen, {**seen, **detail, "rssi": -127}]}
    yield {**full, "occupancy": {"near": 1, "medium": 2, "far": 3}, "detections": []}
    yield {**head, "detections": [{**seen, "rssi": 99}, {**seen, "zone": "far", "count": 4294967295}, 7]}
    yield {"device_id": "old-pi", "timestamp": "2026-11-22 06:30:10,5+01:00", "detections": [seen], "more": {"deep": [[[[]]]]}}
    yield {"format": 1, "device_id": "pi-lab-1", "run_id": RUN["run_id"], "gap": {"from_seq": 3, "to_seq": 9, "reason": "buffer_full"}}
    yield {"format": 1, "device_id": "pi-lab-1", "run_id": RUN["run_id"],
           "gap": {"from_seq": 10, "to_seq": 11, "reason": "refused", "from": TIME, "to": TIME, "clock": "unsynced"}}
    yield {**head, "run_id": "a", "seq": 9007199254740991, "detections": []}
    yield {**full, "detections": [seen], "archive": {"received_at": TIME, "age_s": 86400, "digest": HASH[:32]}}
    yield {"format": 1, "device_id": "pi-lab-1", "archive": {"device": {
        "name": "Lab", "version": "0.1.0", "sender": "key pi-lab-1", "first_seen": TIME, "last_seen": TIME, "last_received": TIME, "is_active": 0,
        "conflicts": 1, "last_conflict": TIME}}}
    yield {"format": 1, "device_id": "pi-lab-1", "run_id": RUN["run_id"], "archive": {"run": {
        "hash_id": "a41c09d2", "from_seq": 0, "to_seq": 41, "last_end": TIME, "last_clock": "synced", "open_from": 30, "gaps": [
            {"from_seq": 3, "to_seq": 9, "reason": "missing", "noticed_at": TIME, "from": TIME, "to": TIME, "clock": "unsynced"},
            {"from_seq": 30, "to_seq": 40, "reason": "buffer_full", "noticed_at": TIME}]}}}


def line(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def subscriptions():
    data = json.loads(line(next(batches())))
    events = [line({"type": "detection_event", "data": data}), line({"type": "gap_event", "data": {"device_id": "pi-lab-1"}}),
              line({"type": "lagged", "data": {"missed": 3}})]
    filters = [{}, {"device_id": ["pi-lab-1"]}, {"device_hash": [HASH, "0" * 64], "rssi_min": -100}, {"rssi_min": -60}, {"device_id": "x"}]
    for wanted in filters:
        for event in events:
            yield line({"subscribe": wanted}) + b"\n" + event


def streams():
    yield b"\x05: hello\nid: 7\ndata: {\"a\":1}\n\nevent: x\ndata:y\r\ndata: z\r\n\r\n"
    yield b"\x01data\n\nid\ndata: x\n\nid: a\0b\ndata: half\r"
    yield b"\xffdata: " + bytes(70) + b"\n\ndata: after\n\n"


def websockets():
    key = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    head = f"HTTP/1.1 101 OK\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {key}\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n".encode()
    yield b"\x01" + head + b"\x82\x02\x20\0\x02\0\x89\x01x\x80\x01y\x88\x04\x03\xe9no"
    yield b"\x40" + head + b"\x82\x7e\0\x7e" + bytes(126) + b"\x82\x7f" + bytes(7) + b"\x01z\x81\x01t"
    yield b"\x07HTTP/1.1 302 Found\r\nLocation: /a\r\n\r\n"


def bodies():
    lines = [line(batch) for batch in batches()]
    yield b"0" + b"\n".join(lines[:2]) + b"\n\n" + lines[4] + b"\r\n"
    yield b"1" + json.dumps(json.loads(lines[0]), indent=2).replace("\n", "\r\n").encode()
    yield b"1" + lines[3]
    yield b"0" + gzip.compress(b"\n".join(lines)) + gzip.compress(b"")
    yield b"0" + gzip.compress(bytes(9000))
    yield b"0{}\n \t{\n}\n{\r}"
    yield b"0" + line({"device_id": "pi-lab-1", "run_id": RUN["run_id"], "stored": [[3, 17], [20, 20]], "gaps": [[18, 19]]})


def requests():
    key = b"dGhlIHNhbXBsZSBub25jZQ=="
    yield b"\n".join([b"localhost:8765", b"Upgrade", key, b"blepipe.ndjson", b"http://localhost:8765", b"/ws"])
    yield b"\n".join([b"board.example", b"keep-alive, Upgrade", key, b"chess, v1.2 , blepipe.ndjson", b"https://board.example", b"/ble/ws"])
    yield b"\n".join([b"[::1]:80", b"close", b"", b"7, ((", b"null", b"/ble"])


def files():
    yield b"0# mine\naddress:c4:f7:c1:4c:c1:c0\naddress:c4:f7:*\nname:Ruuvi*\r\n\nuuid:feaa\ncompany:0x0499\nidentity:Anna\n"
    yield b"1Anna 0123456789abcdef0123456789abcdef\n# the next\nBen lsb:00112233445566778899aabbccddeeff " + ONE.encode() + b"\n"
    yield b"2pi-lab-1:" + HASH.encode() + b"\n*:" + HASH.encode() + b"\n# old\na-key-of-the-old-kind\n"
    yield b"3\xef\xbb\xbfa-secret-of-some-length\r\nand more\n"


def spools():
    yield b""
    yield bytes((0, 68, 255))  # the application id
    yield bytes((0, 18, 9, 0, 19, 9))  # the format of the file
    yield bytes((15, 255, 200, 16, 0, 255, 20, 0, 0))
    yield bytes((128,))  # half of it


def broker():
    """CONNACK, SUBACK, PUBACK, a PUBLISH, DISCONNECT: of MQTT 5, and of 3.1.1."""
    connack, more = b"\x20\x03\x00\x00\x00", b"\xfe\xfe"
    publish = b"\x32\x0c\x00\x03a/b\x00\x07\x00{}\x00\x00"
    for kind in b"0123":
        yield bytes((kind,)) + (connack if kind % 4 < 2 else b"\x20\x02\x00\x00") + more + b"\x90\x04\x00\x01\x00\x01" + more + \
            b"\x40\x02\x00\x02" + publish + more + b"\xe0\x02\x95\x00"
    yield b"0\x20\x0d\x00\x00\x0a\x21\x00\x05\x27\x00\x00\x01\x00\x24\x00" + more + b"\x40\x04\x00\x01\x97\x00"
    yield b"1\x20\x03\x00\x87\x00"


def sockets():
    post = b"POST /api/v1/detections/bulk HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 36\r\n\r\n"
    yield b"0" + post + b'{"device_id":"pi-1","detections":[]}'
    yield b"0GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nX-API-Key: a\r\n\r\n" + post
    yield b"1GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\nLast-Event-ID: 0123456789abcdef-7\r\n\r\n"
    yield b"1POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n\r\ntoken=abc"
    yield b"3\x81\x92\x00\x00\x00\x00{\"subscribe\":{}}  "
    yield b"3\x01\x81\x01\x02\x03\x04{\x89\x80\x00\x00\x00\x00\x80\x81\x00\x00\x00\x00}\x88\x82\x00\x00\x00\x00\x03\xe8"
    yield b"3\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00"


def sniffed(link):
    adi = (3, 0x123)
    packets = [
        (37, air.pdu(air.ADV_IND, air.address_bytes(ONE) + b"\x02\x01\x06")), (38, air.pdu(air.SCAN_RSP, air.address_bytes(ONE) + b"\x03\x09ab")),
        (39, air.pdu(air.ADV_DIRECT_IND, air.address_bytes(ONE) + air.address_bytes(TWO))),
        (37, air.pdu(air.ADV_EXT_IND, air.extended(adi=adi, pointer=(10, 50), mode=1))),
        (10, air.pdu(air.ADV_EXT_IND, air.extended(b"\x02\x01\x06", 1, TWO, adi=adi, pointer=(11, 50), tx_power=4))),
        (11, air.pdu(air.ADV_EXT_IND, air.extended(b"\x04\x09one", adi=adi)))]
    return [(T0 + i / 500, air.packet(body, link, channel)) for i, (channel, body) in enumerate(packets)]


def captures():
    beacon = b"\x02\x01\x06\x1a\xff\x4c\x00\x02\x15" + bytes(range(16)) + b"\0\x01\0\x02\xc5"
    records = [(T0, legacy(beacon, ONE)), (T0 + 0.2, extended(b"\x03\x09ab\x05\x16\xaa\xfe\x20\x00", TWO, kind=0x20)),
               (T0 + 0.4, extended(b"\x04\x16\x0f\x18\x64", TWO, rssi=127)), (T0 + 3, legacy(b"", ONE, rssi=-128, address_type=0))]
    two = [(at, packet, i % 2) for i, (at, packet) in enumerate(records)]
    for link in (1001, 1002, 2001):
        yield btsnoop(two, link)
    for link in (187, 201, 254):
        yield pcap(two, link)
        yield pcapng(two, links=[link])
    for link in (251, 256, 272):
        yield pcap(sniffed(link), link, framed=True)
        yield pcapng(sniffed(link), links=[link])
    yield pcapng(two, links=[187, 1])
    yield packet_logger(records)
    yield packet_logger(records, "<")
    yield gzip.compress(btsnoop(records), mtime=0)
    yield btsnoop([(T0 + step, legacy(beacon, ONE)) for step in (0, 1, 3540, 2, -40, 3e7, 5)])
    yield pcap([(T0, records[0][1])], 187) + bytes(5)


def main():
    folder = pathlib.Path(sys.argv[1])
    targets = {"batches": map(line, batches()), "bodies": bodies(), "broker": broker(), "captures": captures(), "events": streams(), "files": files(),
               "requests": requests(), "sockets": sockets(), "spools": spools(), "subscribe": subscriptions(),
               "websocket": websockets()}
    for target, seeds in targets.items():
        (folder / target).mkdir(parents=True, exist_ok=True)
        for number, seed in enumerate(seeds):
            (folder / target / f"seed-{number:02}").write_bytes(seed)


if __name__ == "__main__":
    main()
