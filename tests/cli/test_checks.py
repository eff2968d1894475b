"""Each check of scripts/ passes on the project as it is, and fails on a copy with the fault that it is there to find."""
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

from harness import source_path


class Checks(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="blepipe-checks-")
        self.addCleanup(folder.cleanup)
        self.top = pathlib.Path(folder.name) / "copy"
        self.top.mkdir()
        leave = shutil.ignore_patterns("__pycache__", "build", ".git")
        for entry in os.scandir(source_path()):
            if entry.is_dir() and entry.name not in ("build", ".git"):
                shutil.copytree(entry.path, self.top / entry.name, ignore=leave)
            elif entry.is_file() and entry.name != ".git":  # in a worktree it is a file, and leads back here
                shutil.copy(entry.path, self.top)

    def check(self, *argv, env=None):
        done = subprocess.run([self.top / "scripts" / argv[0], *argv[1:]], stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, env={**os.environ, **(env or {})})
        return done.returncode, done.stdout

    def script(self, path, text):
        path.write_text(f"#!/bin/sh\n{text}\n", encoding="ascii")
        path.chmod(0o755)

    def passes(self, *argv):
        code, said = self.check(*argv)
        self.assertEqual(code, 0, said)

    def fails(self, argv, text):
        code, said = self.check(*argv)
        self.assertEqual(code, 1, said)
        self.assertIn(text, said)

    def append(self, path, text):
        with open(self.top / path, "a", encoding="utf-8") as f:
            f.write(text)

    def git(self, *argv):
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@example.com", *argv], cwd=self.top, check=True,
                       stdout=subprocess.DEVNULL)

    def commit_all(self):
        self.git("init", "-q")
        self.git("add", ".")
        self.git("commit", "-q", "-m", "copy")

    def test_layers_pass(self):
        self.passes("check-layers")

    def test_a_library_may_not_include_its_sibling(self):
        self.append("lib/radio/wrong.cpp", '#include "store/store.hpp"\n')
        self.fails(["check-layers"], "lib/radio may not include store/store.hpp")

    def test_a_room_of_the_radio_may_not_include_what_is_above_it(self):
        self.append("lib/radio/air/wrong.hpp", '#include "radio/hci/packet.hpp"\n')
        self.append("lib/radio/window/wrong.cpp", '#include "radio/capture/replay.hpp"\n')
        self.fails(["check-layers"], "lib/radio/air may not include radio/hci/packet.hpp")
        self.fails(["check-layers"], "lib/radio/window may not include radio/capture/replay.hpp")

    def test_the_radio_has_no_file_outside_its_rooms(self):
        self.append("lib/radio/stray.cpp", "")
        self.fails(["check-layers"], "lib/radio/stray.cpp is no room")

    def test_a_library_may_not_include_what_is_above_it(self):
        self.append("lib/base/wrong.hpp", '#include "batch/batch.hpp"\n')
        self.fails(["check-layers"], "lib/base may not include batch/batch.hpp")

    def test_a_foreign_header_has_one_home(self):
        self.append("tools/blews.cpp", "#include <libwebsockets.h>\n")
        self.fails(["check-layers"], "tools/blews.cpp: <libwebsockets.h> belongs to lib/server alone")

    def test_a_foreign_header_stays_out_of_headers(self):
        self.append("lib/sqlite/wrong.hpp", "#include <sqlite3.h>\n")
        self.fails(["check-layers"], "foreign headers stay in .cpp files")

    def test_a_new_folder_needs_its_place_among_the_layers(self):
        self.append_folder("lib/extra")
        self.fails(["check-layers"], "lib/extra is not in the table")

    def append_folder(self, path):
        (self.top / path).mkdir()

    def test_the_set_is_complete(self):
        self.passes("check-set")

    def test_a_new_tool_needs_everything(self):
        self.append("tools/blenew.cpp", "int main() {}\n")
        for lack in ("no line in tools/CMakeLists.txt", "no man/blenew.1", "no tests/cli/test_blenew.py",
                     "no row in README.md", "not in man/blepipe.7"):
            self.fails(["check-set"], f"blenew: {lack}")

    def test_a_page_without_its_tool(self):
        os.unlink(self.top / "tools/blews.cpp")
        self.fails(["check-set"], "man/blews.1: there is no such tool")
        self.fails(["check-set"], "tools/CMakeLists.txt names blews")

    def test_a_link_that_leads_nowhere(self):
        self.append("README.md", "[more](docs/more.md) and `lib/base/absent.hpp`\n")
        self.fails(["check-set"], "README.md: link to docs/more.md leads nowhere")
        self.fails(["check-set"], "`lib/base/absent.hpp` does not exist")

    def test_pages_and_help_agree(self):
        self.passes("check-man", os.environ["BLEPIPE_BIN"])

    def test_an_option_that_only_the_page_knows(self):
        self.append("man/blews.1", ".Bl -tag -width Ds\n.It Fl -invented Ar word\nText.\n.El\n")
        self.fails(["check-man", os.environ["BLEPIPE_BIN"]], "--invented is in man/blews.1 and not in --help")

    def test_an_option_that_only_the_help_knows(self):
        page = self.top / "man/blews.1"
        page.write_text(page.read_text().replace("Fl -bind", "Fl -bound"))
        self.fails(["check-man", os.environ["BLEPIPE_BIN"]], "--bind is in --help and not in man/blews.1")

    def test_a_page_that_is_not_correct(self):
        self.append("man/blepipe.7", ".El\n")
        self.fails(["check-man", os.environ["BLEPIPE_BIN"]], "man/blepipe.7")

    def test_a_tool_that_is_not_built(self):
        self.fails(["check-man", str(self.top)], "is not built")

    def test_a_clean_tree_and_a_dirty_one(self):
        self.commit_all()
        self.passes("check", "--no-install", "clean")
        self.append("left_behind", "by a test\n")
        self.fails(["check", "--no-install", "clean"], "left_behind")

    def test_a_path_of_this_machine(self):
        self.commit_all()
        self.passes("check", "--no-install", "paths")
        self.append("README.md", f"see {self.top}/README.md\n")
        self.fails(["check", "--no-install", "paths"], "README.md")

    def test_a_finding_of_one_fuzzer_fails_the_run_and_stops_none(self):
        """The fuzzers themselves are stood in for: this is about the script around them."""
        programs = self.top / "build/fuzz/tests/fuzz"
        programs.mkdir(parents=True)
        targets = sorted(source.stem for source in (self.top / "tests/fuzz").glob("*.cpp"))
        for target in targets:
            self.script(programs / f"fuzz_{target}", f"echo 'stat::number_of_executed_units: 1'; [ {target} != {targets[0]} ] || exit 77")
        self.script(self.top / "cmake", "true")
        path = {"PATH": f"{self.top}:{os.environ['PATH']}"}
        code, said = self.check("fuzz", "--no-install", env=path)
        self.assertEqual((1, len(targets)), (code, said.count("stat::")), said)
        self.assertIn(f"FINDINGS in {targets[0]}:", said)
        code, said = self.check("fuzz", "--no-install", "--seconds", "1", *targets[1:], env=path)
        self.assertEqual((0, len(targets) - 1), (code, said.count("stat::")), said)
        for words in (["nobody"], ["--seconds", "0"], ["--seconds", "1m"]):
            self.assertEqual(64, self.check("fuzz", "--no-install", *words, env=path)[0], words)

    def test_an_unknown_check_is_a_usage_error(self):
        self.assertEqual(self.check("check", "--no-install", "nonsense")[0], 64)


if __name__ == "__main__":
    unittest.main()
