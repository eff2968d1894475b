"""blescan against the test vectors of other projects: events frame, and advertising data is decoded as they assert."""
import json
import re
import unittest

from harness import FolderTest, shared_path
from harness.capture import T0, btsnoop, detection, legacy, replay


class HciEvents(unittest.TestCase):
    """Events from the tests of another scanner: each frames, and address and RSSI agree."""

    # Where its address is none that was on the air.
    OTHER_ADDRESS = {
        "test_Govee_H5178_sensor_1": "the second probe of a device is given the address plus one",
        "test_sonoff_s_mate": "the address is made from an identifier in the data",
        "test_sonoff_r5": "the address is made from an identifier in the data",
    }

    def test_every_vector(self):
        vectors, records = [], []
        with open(shared_path("vectors", "ble_monitor_hci_events.jsonl"), encoding="utf-8") as f:
            for line in f:
                vectors.append(json.loads(line))
                records.append((T0 + len(vectors), bytes.fromhex(vectors[-1]["hci"])))
        self.assertEqual(len(vectors), 285)
        lines, err = replay("--each", capture=btsnoop(records))
        self.assertEqual(err, "")
        self.assertEqual(len(lines), len(vectors))
        checked = {"rssi": 0, "mac": 0}
        for vector, line in zip(vectors, lines):
            for wanted in (vector["sensor"] or {}, vector["tracker"] or {}):
                if "rssi" in wanted:
                    self.assertEqual(line["rssi"], wanted["rssi"], vector["test"])
                    checked["rssi"] += 1
                if vector["test"] in self.OTHER_ADDRESS:
                    self.assertNotEqual(line["address"].replace(":", "").upper(), wanted.get("mac"), vector["test"])
                elif "mac" in wanted:
                    self.assertEqual(line["address"].replace(":", "").upper(), wanted["mac"], vector["test"])
                    checked["mac"] += 1
        self.assertEqual(checked, {"rssi": 279, "mac": 277})

    def test_beacon_vectors(self):
        checked = 0
        with open(shared_path("vectors", "ble_monitor_hci_events.jsonl"), encoding="utf-8") as f:
            for vector in map(json.loads, f):
                wanted = {**(vector["sensor"] or {}), **(vector["tracker"] or {})}
                if "uuid" not in wanted or "major" not in wanted:  # a maker's reading of an iBeacon has no major
                    continue
                lines, _ = replay("--detail", capture=btsnoop([(T0, bytes.fromhex(vector["hci"]))]))
                beacon = lines[0]["detections"][0]["beacon"]
                beacon = beacon.get("ibeacon") or beacon["altbeacon"]
                self.assertEqual(
                    (beacon["uuid"].replace("-", ""), beacon["major"], beacon["minor"], beacon["tx_power"]),
                    (wanted["uuid"], wanted["major"], wanted["minor"], wanted["measured power"]), vector["test"])
                checked += 1
        self.assertEqual(checked, 4)


class Advertisement:
    """A detection under the names that the vectors of bluetooth_data_tools use."""

    def __init__(self, found):
        self.local_name = found.get("local_name")
        self.service_uuids = found.get("service_uuids", [])
        self.tx_power = found.get("tx_power")
        self.service_data = {k: bytes.fromhex(v) for k, v in found.get("service_data", {}).items()}
        self.manufacturer_data = {int(k): bytes.fromhex(v) for k, v in found.get("manufacturer_data", {}).items()}


class GapVectors(unittest.TestCase):
    """Advertising data from the tests of bluetooth_data_tools, decoded as they assert."""

    # Inputs that the vectors do not hold: not to be checked, each for its reason.
    WITHOUT_INPUT = {
        "test_parse_advertisement_data_Prodigio_D83567A4F5A5_bytes": "its input is a variable; its twin has it",
        "test_negative_splice_pos_does_not_crash": "its input is not recorded",
        "test_parse_advertisement_with_empty_service_data": "its input is not recorded",
        "test_parse_advertisement_data_multiple_128bit_uuids": "its input is built from variables",
        "test_data_shorter_than_length": "its input is a loop over lengths; test_any_length_that_runs_past_the_end",
    }
    # Where we differ, and why.
    DIFFERENT = {
        "from_tuple.service_uuids == from_bytes.service_uuids": "about its own cache",
        "from_tuple.service_data == from_bytes.service_data": "about its own cache",
        "from_tuple.manufacturer_data == from_bytes.manufacturer_data": "about its own cache",
        "from_tuple.tx_power == from_bytes.tx_power": "about its own cache",
        "parse_advertisement_data_tuple((payload,)) == expected": "about its own cache",
        "parse_advertisement_data_tuple((b'', payload)) == expected": "about its own cache",
    }
    LOG = re.compile(r"caplog|in messages")  # about its log messages: we skip malformed data in silence

    @staticmethod
    def chunks(text):
        """A value of `inputs` as a list of byte strings; None: it is no input."""
        if isinstance(text, list):
            return [bytes.fromhex(chunk) for chunk in text]
        if re.fullmatch(r"[0-9a-f]+", text):
            return [bytes.fromhex(text)]
        if "caplog" in text:
            return None
        value = eval(text, {"__builtins__": {}, "bytes": bytes})  # literals of our own test data
        return value if isinstance(value, list) else [value]

    def evaluate(self, text, found):
        """Does the assert hold of what we decoded?"""
        adv = Advertisement(found)
        as_tuple = (adv.local_name, adv.service_uuids, adv.service_data, adv.manufacturer_data, adv.tx_power)
        names = {"adv": adv, "data": [], "tuple": tuple, "parse_advertisement_data_tuple": lambda _: as_tuple,
                 "from_tuple": adv, "from_list": adv, "from_bytes": adv, **vars(adv)}
        return eval(text, {"__builtins__": {}}, names)

    def test_every_vector(self):
        checked = differing = about_logs = 0
        seen = set()
        with open(shared_path("vectors", "bluetooth_data_tools_gap.jsonl"), encoding="utf-8") as f:
            vectors = [json.loads(line) for line in f]
        self.assertEqual(len(vectors), 63)
        for vector in vectors:
            seen.add(vector["test"])
            if vector["test"] in self.WITHOUT_INPUT:
                continue
            inputs = [c for c in map(self.chunks, vector["inputs"].values()) if c is not None]
            self.assertTrue(inputs, vector["test"])
            # Several inputs: the asserts follow each other in the same order.
            found = [detection(*chunks) for chunks in inputs]
            for number, text in enumerate(vector["asserts"]):
                if self.LOG.search(text):
                    about_logs += 1
                elif text in self.DIFFERENT:
                    differing += 1
                else:
                    one = found[min(number, len(found) - 1)] if len(found) > 1 else found[0]
                    self.assertTrue(self.evaluate(text, one), f"{vector['test']}: {text}\n{one}")
                    checked += 1
        self.assertEqual(set(self.WITHOUT_INPUT) - seen, set())
        self.assertEqual((checked, differing, about_logs), (243, 6, 3))


class BeaconVectors(unittest.TestCase):
    """Beacons from the tests of beacontools, decoded as they assert."""

    # Frame classes of beacontools, as members of ours; None: not one of the formats that blescan decodes.
    FRAMES = {"EddystoneUIDFrame": "eddystone_uid", "EddystoneURLFrame": "eddystone_url",
              "EddystoneTLMFrame": "eddystone_tlm", "EddystoneEncryptedTLMFrame": "eddystone_tlm",
              "EddystoneEIDFrame": "eddystone_eid", "IBeaconAdvertisement": "ibeacon",
              "EstimoteTelemetryFrameA": None, "EstimoteTelemetryFrameB": None, "EstimoteNearable": None,
              "ExposureNotificationFrame": None}
    # Assert's attribute -> our value in its terms.
    ATTRIBUTES = {
        "namespace": lambda b: b["namespace"], "instance": lambda b: b["instance"],
        "tx_power": lambda b: b["tx_power"], "url": lambda b: b["url"], "uuid": lambda b: b["uuid"],
        "major": lambda b: b["major"], "minor": lambda b: b["minor"],
        "voltage": lambda b: b["voltage_mv"], "temperature": lambda b: b["temperature_c"],
        "advertising_count": lambda b: b["advertisements"],
        # Eddystone TLM counts tenths of a second; beacontools hands the count on under the name of seconds.
        "seconds_since_boot": lambda b: round(b["uptime_s"] * 10),
        # Eddystone is big-endian, and salt and check are no numbers; beacontools reads them as little-endian ones.
        "salt": lambda b: int.from_bytes(bytes.fromhex(b["salt"]), "little"),
        "mic": lambda b: int.from_bytes(bytes.fromhex(b["mic"]), "little"),
        "encrypted_data": lambda b: bytes.fromhex(b["etlm"]), "eid": lambda b: bytes.fromhex(b["eid"]),
        "properties": lambda b: {"namespace": b["namespace"], "instance": b["instance"]},
    }
    # The AD structure's length covers 14 of the frame's 18 bytes, so that the rest is no part of it; beacontools reads
    # on regardless. Checked with the length that the frame needs.
    MENDED = {"test_eddystone_tlm_enc": ("1116aafe2001", "1516aafe2001")}
    # A maker's reading of an iBeacon's minor number as temperature and humidity: we show the number itself.
    DIFFERENT = ("cypress_temperature", "cypress_humidity")

    def test_every_vector(self):
        checked = differing = not_decoded = 0
        with open(shared_path("vectors", "beacontools_ibeacon_eddystone.jsonl"), encoding="utf-8") as f:
            vectors = [json.loads(line) for line in f]
        self.assertEqual(len(vectors), 17)
        for vector in vectors:
            data = bytes.fromhex(vector["adv_hex"])
            found = detection(data)
            if vector["test"] in self.MENDED:
                self.assertNotIn("beacon", found)
                found = detection(bytes.fromhex(vector["adv_hex"].replace(*self.MENDED[vector["test"]])))
            kind = re.search(r"assertIsInstance\(frame, (\w+)\)", " ".join(vector["asserts"]))
            name = self.FRAMES[kind.group(1)] if kind else None
            if name is None:
                # Not decoded, and none of the data is lost.
                self.assertNotIn("beacon", found, vector["test"])
                raw = list(found.get("service_data", {}).values()) + list(found.get("manufacturer_data", {}).values())
                if kind:
                    self.assertTrue(any(bytes.fromhex(part) in data and len(part) > 20 for part in raw), vector["test"])
                not_decoded += 1
                continue
            frame = type("Frame", (), {})()
            beacon = found["beacon"][name]
            for attribute, value in self.ATTRIBUTES.items():
                try:
                    setattr(frame, attribute, value(beacon))
                except KeyError:
                    pass
            for text in vector["asserts"]:
                if "assertIsInstance" in text or "str(frame)" in text:
                    continue
                if any(attribute in text for attribute in self.DIFFERENT):
                    differing += 1
                    continue
                eval(text, {"__builtins__": {}, "self": self, "frame": frame, "abs": abs, "int": int})
                checked += 1
        self.assertEqual((checked, differing, not_decoded), (26, 2, 9))


class PrivateAddresses(FolderTest):
    """Resolvable private addresses of other projects: each is that key's, or not, as they say."""

    def test_every_vector(self):
        with open(shared_path("vectors", "irk_rpa.jsonl"), encoding="utf-8") as f:
            vectors = [json.loads(line) for line in f]
        self.assertEqual(len(vectors), 13)
        for vector in vectors:
            keys = self.file("keys", f"somebody {vector['irk_msb_first']}\n")
            if not int(vector["irk_msb_first"], 16):  # which says that there is no key, and is refused
                continue
            lines, _ = replay("--each", "--names", "--irk", keys, capture=btsnoop([(T0, legacy(b"", vector["rpa"]))]))
            self.assertEqual(vector["match"], lines[0].get("identity") == "somebody", vector)
        self.assertEqual({True, False}, {vector["match"] for vector in vectors})


if __name__ == "__main__":
    unittest.main()
