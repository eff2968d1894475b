"""Every file that each tool makes, and who may read it: its owner and its group, whatever the umask."""
import os
import signal
import stat
import unittest

from harness import Broker, HttpServer, Tool, free_port, make_batches, source_path, wait_until
from harness.bluez import LiveTest, MonitorChannel
from harness.folder import FolderTest

BATCH = make_batches(1)[0].encode() + b"\n"
BAD = b"no batch\n"
# The umask, and the mode of a file made under it.
UMASKS = ((0o000, 0o640), (0o022, 0o640), (0o026, 0o640), (0o077, 0o600))


class FileModes(FolderTest, LiveTest):
    def setUp(self):
        FolderTest.setUp(self)

    def check(self, umask, mode, files, *argv, given=b"", **options):
        """Runs the tool until all the files are there, and is content when there are no others."""
        folder = self.folder / f"{argv[0]}-{umask:03o}"
        folder.mkdir(mode=0o755)
        tool = self.enterContext(Tool(*argv, cwd=folder, preexec_fn=lambda: os.umask(umask), **options))
        tool.write(given)
        wait_until(lambda: set(os.listdir(folder)) >= set(files), lambda: f"{files}, there are {os.listdir(folder)}: {tool.err}")
        wait_until(lambda: set(os.listdir(folder)) == set(files), lambda: f"only {files}, there are {os.listdir(folder)}")
        found = {name: stat.S_IMODE((folder / name).stat().st_mode) for name in files}
        self.assertEqual({name: f"{mode:03o}" for name, mode in found.items()},
                         {name: f"{mode if files[name] is None else files[name] & mode:03o}" for name in files})
        return tool, folder

    def for_each_umask(self, *argv, files, **options):
        for umask, mode in UMASKS:
            with self.subTest(umask=f"{umask:03o}"):
                self.check(umask, mode, dict.fromkeys(files), *argv, **options)

    def test_bleingest(self):
        self.for_each_umask("bleingest", "--metrics", "counters", given=BAD + BATCH,
                            files=("ble.db", "ble.db-wal", "ble.db-shm", "bleingest.rejected.ndjson", "counters"))

    def test_blesend(self):
        with HttpServer() as server:
            self.for_each_umask("blesend", "--url", server.url, "--spool", "spool", "--metrics", "counters", given=BAD + BATCH,
                                files=("spool", "spool-wal", "spool-shm", "blesend.rejected.ndjson", "counters"))

    def test_blesub(self):
        with Broker() as broker:
            too_long = self.file("too long", b'{"device_id":"pi-lab-1","x":"' + b"x" * 600_000 + b'","detections":[]}')
            for umask, mode in UMASKS:
                with self.subTest(umask=f"{umask:03o}"):
                    tool, folder = self.check(umask, mode, {"counters": None}, "blesub", "--broker", "127.0.0.1", "--port",
                                              broker.port, "--metrics", "counters")
                    tool.wait_err("subscribed to")
                    with Tool("mosquitto_pub", "-p", broker.port, "-q", "1", "-t", "tfg/detections/raw", "-f", too_long) as publisher:
                        self.assertEqual(publisher.wait(), 0, publisher.err)
                    rejected = folder / "blesub.rejected.ndjson"
                    wait_until(rejected.exists, "the reject file")
                    self.assertEqual(stat.S_IMODE(rejected.stat().st_mode), mode)

    def test_blerecv_and_blews(self):
        for name in ("blerecv", "blews"):
            self.for_each_umask(name, "--port", "0", "--metrics", "counters", files=("counters",))

    def test_blescan_of_a_capture(self):
        self.for_each_umask("blescan", "--replay", source_path("examples", "sample.btsnoop"), "--speed", "1", "--metrics", "counters",
                            files=("counters",))

    def test_blescan_that_records(self):
        """A recording holds addresses: it is for its owner alone."""
        LiveTest.setUp(self)
        self.fake()
        for umask, mode in UMASKS:
            with self.subTest(umask=f"{umask:03o}"), MonitorChannel() as channel:
                self.check(umask, mode, {"air.btsnoop": 0o600, "counters": None}, "blescan", "--source", "monitor", "--record",
                           "air.btsnoop", "--metrics", "counters", env={**self.bus.env, **channel.env})

    def test_a_database_that_exists_keeps_its_mode(self):
        for name, rejected, argv in (("ble.db", "bleingest.rejected.ndjson", ["bleingest"]),
                                     ("spool", "blesend.rejected.ndjson",
                                      ["blesend", "--url", f"http://127.0.0.1:{free_port()}", "--spool", "spool"])):
            folder = self.folder / ("old " + name)
            folder.mkdir()
            for mode in (None, 0o660, 0o664):
                with self.subTest(name=name, mode=mode), Tool(*argv, cwd=folder) as tool:
                    tool.write(BAD + BATCH)
                    wait_until((folder / (name + "-wal")).exists, "its log")
                    wait_until((folder / (name + "-shm")).exists, "the index of its log")
                    wait_until((folder / rejected).exists, "the reject file, so that it has the batch as well")
                    found = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.glob(name + "*")}
                    if mode:
                        self.assertEqual(found, dict.fromkeys((name, name + "-wal", name + "-shm"), mode))
                    (folder / rejected).unlink()
                    tool.close_stdin()
                    tool.signal(signal.SIGTERM)
                    tool.wait()
                os.chmod(folder / name, 0o660 if mode is None else 0o664)


if __name__ == "__main__":
    unittest.main()
