import pathlib
import tempfile
import unittest


class FolderTest(unittest.TestCase):
    """Tests that make files, in a `folder` that is gone afterwards."""
    maxDiff = None

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="blepipe-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def file(self, name, data):
        path = self.folder / name
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return path
