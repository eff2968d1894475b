"""What blescan calls itself when nobody has given it a name: on machines of other names, with and without an id of their own."""
import json
import re
import unittest

from harness import FolderTest, source_path
from harness.mounts import with_machine
from harness.process import run, tool_path

IDS = ("0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210")


class Identity(FolderTest):
    def scan(self, host_name, machine_id, *words, env=None):
        """The device_id of the batches, and what is said."""
        file = self.file("machine-id", machine_id)
        code, out, err = run(*with_machine(host_name, file, tool_path("blescan"), "--replay",
                                           source_path("examples", "sample.btsnoop"), *words), env=env)
        self.assertEqual(code, 0, err)
        ids = {json.loads(line)["device_id"] for line in out.splitlines()}
        self.assertEqual(len(ids), 1)
        return ids.pop(), err

    def test_a_usual_host_name_is_followed_by_digits_of_the_machine(self):
        found = []
        for machine_id in (*IDS, IDS[0]):
            device_id, err = self.scan("raspberrypi", machine_id + "\n")
            self.assertRegex(device_id, r"^raspberrypi-[0-9a-f]{6}$")
            self.assertIn(f"device_id is {device_id}, ", err)
            self.assertEqual(err.count("device_id"), 1)
            self.assertNotIn(device_id[-6:], machine_id)
            self.assertNotIn(machine_id[:6], device_id + err)
            found.append(device_id)
        self.assertEqual((found[0] == found[1], found[0] == found[2]), (False, True))

    def test_another_host_name_is_enough(self):
        device_id, err = self.scan("pi-lab-1", IDS[0] + "\n")
        self.assertEqual(device_id, "pi-lab-1")
        self.assertIn("device_id is pi-lab-1, of the host name", err)

    def test_a_name_that_was_given_is_left_alone(self):
        for words, env in ((["--device-id", "raspberrypi"], {}), ([], {"DEVICE_ID": "raspberrypi"})):
            device_id, err = self.scan("raspberrypi", IDS[0] + "\n", *words, env=env)
            self.assertEqual(device_id, "raspberrypi")
            self.assertNotIn("device_id", err)

    def test_a_machine_without_an_id_is_warned_of(self):
        for machine_id in ("", "\n", "uninitialized\n", "0" * 32 + "\n", "no id at all\n", IDS[0][:20]):
            with self.subTest(machine_id=machine_id):
                device_id, err = self.scan("raspberrypi", machine_id, "--quiet")
                self.assertEqual(device_id, "raspberrypi")
                self.assertTrue(re.search("device_id is raspberrypi, .*--device-id", err), err)

    def test_single_reports_need_no_name(self):
        code, _, err = run(*with_machine("raspberrypi", self.file("machine-id", ""), tool_path("blescan"), "--each", "--replay",
                                         source_path("examples", "sample.btsnoop")))
        self.assertEqual(code, 0)
        self.assertNotIn("device_id", err)


if __name__ == "__main__":
    unittest.main()
