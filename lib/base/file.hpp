// Whole small files, and secrets: never on the command line.
#pragma once

#include <optional>
#include <string>

namespace ble {

// The file's bytes. Error(config) naming `what` when it cannot be read or is longer than 1 MiB.
std::string read_small_file(const std::string &path, const std::string &what);

// The same of text. A byte order mark is cut off, with a warning; Error(config) also for UTF-16.
std::string read_text_file(const std::string &path, const std::string &what);

// A secret, from the first of: the file named by an option (`file`, empty: not given); the environment variable NAME;
// the file named by NAME_FILE; $CREDENTIALS_DIRECTORY/name (lower case). It is the first line there, without its line end
// (LF or CRLF). What is odd about it is warned of: a byte order mark, CRLF, blanks at its ends, further lines.
// Empty result: none is set. Error(config) when a named file cannot be read, or its first line is empty.
std::optional<std::string> find_secret(const std::string &file, const std::string &name);
// Of the same places, all that stands there: for secrets of which each has a line.
std::optional<std::string> find_secrets(const std::string &file, const std::string &name);

// From now on no core dump of this process is made, and nobody but root may trace it or read its memory
// (PR_SET_DUMPABLE, prctl(2)): for those who hold keys.
void forbid_dumps();

// $STATE_DIRECTORY/name under systemd, else `name` in the working directory.
std::string default_state_path(const std::string &name);

}  // namespace ble
