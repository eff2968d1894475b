"""What stands in the manual pages for people to type: a test that runs it keeps it true."""
import pathlib

from .process import source_path


def displays(page, section):
    """The literal displays of one section (.Ss or .Sh) of man/PAGE, as a reader sees them."""
    found, inside, lines = [], False, None
    for line in pathlib.Path(source_path("man", page)).read_text(encoding="utf-8").splitlines():
        if line.startswith((".Ss ", ".Sh ")):
            inside = line[4:] == section
        elif inside and line.startswith(".Bd -literal"):
            lines = []
        elif line == ".Ed" and lines is not None:
            found.append("\n".join(lines) + "\n")
            lines = None
        elif lines is not None:
            lines.append(line.replace("\\e", "\\").replace("\\&", ""))
    if not found:
        raise AssertionError(f"man/{page} has no display in a section '{section}'")
    return found
