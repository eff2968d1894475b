"""A link that somebody else puts where a tool writes, in a folder that all may write, leads nowhere."""
import os
import tempfile
import unittest

from harness import Tool, make_batches
from harness.other_user import ORDINARY, as_other_user
from harness.process import run

STRANGER = ORDINARY + 1
# What each writes by name, and how it ends.
BATCH = make_batches(1)[0].encode() + b"\n"
WRITERS = {
    "the database": (["bleingest", "--db"], BATCH),
    "the spool": (["blesend", "--url", "http://127.0.0.1:1", "--run-for", "1", "--spool"], BATCH),
}
SAID = "is a link that another user made"


class PlantedLinks(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="blepipe-links-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        # Without the sticky bit the kernel does not look at links itself (fs.protected_symlinks).
        os.chmod(self.folder, 0o777)
        self.target = os.path.join(self.folder, "target")

    def planted(self):
        """A link that the tool's user has not made. Only root can make one; to others, in a user namespace, root is a stranger."""
        if os.geteuid() != 0:
            return "/etc/mtab"
        link = os.path.join(self.folder, "planted")
        os.symlink(self.target, link)
        os.lchown(link, STRANGER, STRANGER)
        return link

    def run_as_other(self, name, *words, given=BATCH):
        before = () if os.geteuid() == 0 else ("unshare", "--user", "--map-root-user")
        with Tool(*as_other_user(name, *words, before=before), cwd=self.folder) as tool:
            tool.offer(given)
            return tool.wait(), tool.err

    def test_the_database_and_the_spool_are_refused(self):
        link = self.planted()
        for what, (words, given) in WRITERS.items():
            with self.subTest(what):
                code, err = self.run_as_other(*words, link, given=given)
                self.assertEqual(code, 77, err)
                self.assertIn(SAID, err)
                self.assertFalse(os.path.exists(self.target))

    def test_a_reject_file_is_said_and_not_written(self):
        code, err = self.run_as_other("bleingest", "--db", os.path.join(self.folder, "ble.db"), "--reject", self.planted(),
                                      given=b"no batch\n" + BATCH)
        self.assertEqual(code, 0, err)
        self.assertIn(SAID, err)
        self.assertFalse(os.path.exists(self.target))

    def test_counters_are_not_written_into_what_lies_there(self):
        os.symlink(self.target, os.path.join(self.folder, "counters.new"))
        code, _, err = run("bleingest", "--db", ":memory:", "--metrics", os.path.join(self.folder, "counters"), input=BATCH,
                           cwd=self.folder)
        self.assertEqual(code, 0, err)
        self.assertFalse(os.path.exists(self.target))
        self.assertTrue(os.path.isfile(os.path.join(self.folder, "counters")))

    def test_a_link_of_ones_own_is_followed(self):
        """Also one that leads to another, relative to its place."""
        inner = os.path.join(self.folder, "inner")
        os.mkdir(inner)
        os.symlink(os.path.join("inner", "second"), os.path.join(self.folder, "first"))
        os.symlink("ble.db", os.path.join(inner, "second"))
        code, _, err = run("bleingest", "--db", os.path.join(self.folder, "first"), input=BATCH, cwd=self.folder)
        self.assertEqual(code, 0, err)
        self.assertTrue(os.path.isfile(os.path.join(inner, "ble.db")))
        os.symlink("round", os.path.join(self.folder, "round"))
        code, _, err = run("bleingest", "--db", os.path.join(self.folder, "round"), input=BATCH, cwd=self.folder)
        self.assertEqual(code, 78, err)
        self.assertIn("too many links", err)


if __name__ == "__main__":
    unittest.main()
