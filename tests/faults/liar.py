"""A broker that lies: it acknowledges what it has not, confirms what nobody stored, and breaks MQTT in between."""
import json
import random

from harness import MqttServer, confirmation

# Never a reason that speaks of the message itself: a broker may say that it takes no such message, and is believed.
_BREACHES = (
    b"\x40\x02\xff\xfe",  # PUBACK of what was never sent
    b"\x40\x03\x00\x01\x87\x40\x02\x00\x02",
    b"\x90\x04\x7f\xff\x00\x01",  # SUBACK of another
    b"\x32\xff\xff\xff\x7f",  # PUBLISH of 256 MB
    b"\x32\x05\x00\xff\x00\x01\x00",  # a topic that is longer than its packet
    b"\x20\x03\x00\x00\x00",  # a second CONNACK
    b"\xff\xff\xff\xff\xff\xff",
    b"\x30\x00",
    b"\xe0\x02\x97",
    b"\xe0\x01\x9c",
)


class Liar(MqttServer):
    """`seed` decides when and how it breaks off."""

    def __init__(self, seed):
        super().__init__()
        self._random = random.Random(seed)
        self.puback = self._puback
        self.disconnect_at = self._disconnect_at

    def _puback(self, _level, payload):
        self._confirm(payload)
        return 0

    def _confirm(self, payload):
        """As the backend would, but for the seal: the liar sees the very bytes."""
        try:
            lines = payload.decode().split("\n")
            device = json.loads(lines[0])["device_id"]
            topic = f"tfg/detections/raw/stored/{device}"
            self.send(topic, confirmation(lines))
            self.send(topic, confirmation(lines, key="another key of 16", topic=topic))
        except (ValueError, OSError):
            pass  # "online", or the link is gone

    def _disconnect_at(self, _payload):
        return self._random.choice(_BREACHES) if self._random.random() < 0.05 else None
