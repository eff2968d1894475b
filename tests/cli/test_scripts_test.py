"""scripts/test, with a cmake and a ctest that only pretend: what it runs, what it says, and when it fails."""
import os
import shutil
import unittest

from harness import FolderTest, source_path
from harness.process import run

LABELS = ("unit", "cli", "contract", "pipeline", "faults", "bluez", "bluez-other", "others", "browser")

# Has one test of each label but $ABSENT, all of which pass but $FAILING, said $MANY times; notes what it was asked for. What failed ends
# with $AGAIN when it is run again.
CTEST = r"""#!/bin/bash
while [ $# -gt 0 ]; do
    case $1 in
    --preset) preset=$2 ;;
    --label-regex) regex=$2 ;;
    --rerun-failed) regex="again" ;;
    --repeat) regex="$regex $2" ;;
    esac
    shift
done
echo "$preset $regex" >>"$ASKED"
case $regex in again*) exit "$AGAIN" ;; esac
number=0 failed=no
for label in unit cli contract pipeline faults bluez bluez-other others packages browser; do
    number=$((number + 1)) passed=Passed
    [[ $label =~ $regex ]] && [ $label != "$ABSENT" ] || continue
    [ $label != "$FAILING" ] || { passed='***Failed' && failed=yes; }
    echo "1/1 Test #$number: $label.one ....   $passed    0.01 sec"
done
[ $failed = no ] && exit
printf '\nThe following tests FAILED:\n'
for ((count = 0; count < ${MANY:-1}; ++count)); do printf '\t  3 - %s.one (Failed)\n' "$FAILING"; done
exit 8
"""


class ScriptsTest(FolderTest):
    def setUp(self):
        super().setUp()
        self.top, self.asked = self.folder / "beside" / "clone", self.folder / "asked"
        (self.top / "scripts").mkdir(parents=True)
        shutil.copy(source_path("scripts", "test"), self.top / "scripts")
        bin_folder = self.folder / "bin"
        bin_folder.mkdir()
        package = self.top / "scripts" / "package"
        package.write_text("#!/bin/sh\n")
        package.chmod(0o755)
        for name, text in (("cmake", '#!/bin/sh\necho "$*" >>"$ASKED.cmake"\n'), ("ctest", CTEST)):
            (bin_folder / name).write_text(text)
            (bin_folder / name).chmod(0o755)
        self.env = {"PATH": f"{bin_folder}:{os.environ['PATH']}", "ASKED": str(self.asked), "BLEPIPE_SHARED": ""}

    def run_script(self, *argv, code=0, **env):
        got, out, err = run(self.top / "scripts" / "test", "--no-install", *argv, env={**self.env, **env})
        self.assertEqual(got, code, out.decode() + err)
        return out.decode()

    def ran(self):
        return self.asked.read_text().splitlines()

    def lay_out_shared(self):
        for name in ("captures", "vectors"):
            (self.top / ".." / "shared" / name).mkdir(parents=True)

    def test_everything_of_one_preset_the_quick_labels_first(self):
        self.lay_out_shared()
        out = self.run_script()
        self.assertEqual(self.ran(), ["dev ^(unit)$", "dev ^(cli)$", "dev ^(contract|pipeline|faults|others)$", "dev ^(bluez)$"])
        self.assertNotIn("Not compared", out)
        self.assertTrue(out.endswith("\nNot run with the bluetoothd of the other Debian release: scripts/test bluez-other\n"
                                     "Not run, as packages under a systemd of their own: scripts/test packages\n"
                                     "Not run, in a browser, with programs from an npm registry: scripts/test browser\nAll tests passed.\n"), out)

    def test_the_other_release_is_run_when_it_is_named(self):
        self.assertNotIn("Not run", self.run_script("bluez-other"))
        self.assertEqual(self.ran(), ["dev ^(bluez-other)$"])

    def test_without_the_data_of_others_it_says_so_and_passes(self):
        out = self.run_script()
        self.assertNotIn("others", "".join(self.ran()))
        self.assertRegex(out, r"Not compared with .* which are not in \.\./shared: CONTRIBUTING\.md says .*\nAll tests passed\.\n$")

    def test_the_data_of_others_may_be_elsewhere(self):
        self.lay_out_shared()
        out = self.run_script(BLEPIPE_SHARED=str(self.folder / "nowhere"))
        self.assertIn("Not compared", out)
        shutil.move(self.top / ".." / "shared", self.folder / "elsewhere")
        self.assertNotIn("Not compared", self.run_script(BLEPIPE_SHARED=str(self.folder / "elsewhere")))

    def test_named_labels_and_presets_are_run_whatever_is_there(self):
        self.run_script("--preset", "dev", "--preset", "asan", "others", "unit")
        self.assertEqual(self.ran(), ["dev ^(others)$", "dev ^(unit)$", "asan ^(others)$", "asan ^(unit)$"])

    def test_only_what_is_run_is_built(self):
        built = self.folder / "asked.cmake"
        for labels, targets in ((["unit"], "unit_programs"), (["cli", "contract"], "tools/all preloads"),
                                (["unit", "cli"], "tools/all preloads unit_programs"), (["packages"], "blescan")):
            self.run_script(*labels)
            self.assertEqual(built.read_text(), f"--preset dev -DBUILD_TESTING=ON\n--build --preset dev --target {targets}\n")
            built.unlink()

    def test_sources_are_compiled_in_groups_when_that_is_asked_for(self):
        self.run_script("--unity", "unit")
        self.assertEqual((self.folder / "asked.cmake").read_text().splitlines()[0], "--preset dev -DBUILD_TESTING=ON -DBLEPIPE_UNITY=ON")

    def test_a_failure_is_named_and_stops_nothing(self):
        out = self.run_script(FAILING="pipeline", code=1)
        self.assertEqual(len(self.ran()), 4)
        self.assertRegex(out, r"contract pipeline faults: FAILED pipeline\.one, see build/dev/ctest-contract\+pipeline\+faults\.log\n")
        self.assertRegex(out, r"unit: ok, 1 programs\n")
        self.assertTrue(out.endswith("FAILED\n"), out)

    def test_what_failed_may_pass_alone_and_is_named(self):
        out = self.run_script("--again", FAILING="pipeline", AGAIN="0")
        self.assertEqual(self.ran()[2:4], ["dev ^(contract|pipeline|faults)$", "dev again until-fail:2"])
        self.assertRegex(out, r"contract pipeline faults: ok, UNSTEADY \(.*\): pipeline\.one, see build/dev/ctest-contract")
        out = self.run_script("--again", FAILING="pipeline", AGAIN="8", code=1)
        self.assertRegex(out, r"contract pipeline faults: FAILED pipeline\.one, see")

    def test_when_many_failed_none_gets_a_second_look(self):
        out = self.run_script("--again", "unit", FAILING="unit", MANY="4", AGAIN="0", code=1)
        self.assertEqual(self.ran(), ["dev ^(unit)$"])
        self.assertRegex(out, r"unit: FAILED( unit\.one){4}, see")

    def test_a_label_without_tests_is_a_failure(self):
        for label in LABELS:
            out = self.run_script(*LABELS, ABSENT=label, code=1)
            self.assertIn(f"FAILED, no test of {label}, see", out)

    def test_it_remembers_how_long_things_took(self):
        self.assertNotIn("last time", self.run_script())
        (self.top / "build" / "dev" / "times").write_text("unit\t3\ncontract pipeline faults\t123\nunit\t4\n")
        out = self.run_script()
        self.assertIn("== preset dev: unit (last time 4 s), ", out)
        self.assertIn("== preset dev: contract pipeline faults (last time 123 s), ", out)

    def test_an_unknown_word_is_a_usage_error(self):
        self.run_script("everything", code=64)


if __name__ == "__main__":
    unittest.main()
