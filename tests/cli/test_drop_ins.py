"""What the manual and the examples have for systemd is understood by it, beside the units of the packages."""
import pathlib
import re
import subprocess
import unittest

from harness import FolderTest, source_path
from harness.manual import displays


class DropIns(FolderTest):
    def setUp(self):
        super().setUp()
        source = pathlib.Path(source_path("systemd"))
        sandbox = (source / "sandbox").read_text(encoding="ascii").strip()
        for path in source.iterdir():
            if path.name.endswith(".service.in"):
                text = path.read_text(encoding="ascii").replace("@SANDBOX@", sandbox).replace("@RESTART_BACK_OFF@", "RestartSec=3")
                self.file(path.name.removesuffix(".in"), re.sub(r"@\w+@/\S+", "/bin/true", text))
            elif path.suffix in (".socket", ".target", ".timer"):
                self.file(path.name, path.read_text(encoding="ascii"))

    def verify(self, unit):
        """What systemd-analyze has to say."""
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", self.folder / unit], stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={"SYSTEMD_UNIT_PATH": f"{self.folder}:", "PATH": "/usr/bin:/bin"},
                              check=False)
        return done.stdout

    def test_drop_ins_of_the_manual(self):
        self.assertEqual(self.verify("bleingest.service"), "")
        for page, section, which in (("blepipe-operations.7", "From one machine to a cluster", 0), ("bleingest.1", "PostgreSQL", -1)):
            drop_in = displays(page, section)[which]
            settings = [line.partition("=")[0] for line in drop_in.splitlines()]
            self.assertLessEqual({"PrivateNetwork", "IPAddressDeny", "RestrictAddressFamilies"}, set(settings), page)
            (self.folder / "bleingest.service.d").mkdir(exist_ok=True)
            self.file("bleingest.service.d/override.conf", drop_in)
            self.assertEqual(self.verify("bleingest.service"), "", page)

    def test_the_drop_in_of_the_page(self):
        self.assertEqual(self.verify("blews.service"), "")
        drop_in = displays("blews.1", "The service")[0]
        self.assertIn("BLEPIPE_DB=postgresql://ble_reader@", drop_in)
        (self.folder / "blews.service.d").mkdir()
        self.file("blews.service.d/override.conf", drop_in)
        self.assertEqual(self.verify("blews.service"), "")

    def test_the_shared_live_view(self):
        for name in ("events-to-broker.service", "view-pipeline.service"):
            self.file(name, pathlib.Path(source_path("examples", "systemd", name)).read_text(encoding="ascii"))
        for name in ("events-to-broker.service", "view-pipeline.service"):
            self.assertEqual(self.verify(name), "", name)


if __name__ == "__main__":
    unittest.main()
