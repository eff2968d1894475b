// Secrets: never on the command line, never in a core dump.
#pragma once

#include <optional>
#include <string>
#include <utility>

namespace ble {

// A password, from the first of: the file named by an option (`file`, empty: not given); the environment variable NAME;
// the file named by NAME_FILE; $CREDENTIALS_DIRECTORY/name (lower case). It is the first line there, without its line end
// (LF or CRLF). Warns of a byte order mark, CRLF, blanks at its ends, further lines, and a file that others
// than its owner and group may read. From then on the process makes no core dump.
// Empty result: none is set. Error(config) when a named file cannot be read, or its first line is empty.
std::optional<std::string> find_secret(const std::string &file, const std::string &name);
// The same for a key or a token: also warns of one that is short enough to be guessed.
std::optional<std::string> find_key(const std::string &file, const std::string &name);
// The whole text from the same places: for several secrets, one a line.
std::optional<std::string> find_secrets(const std::string &file, const std::string &name);

// Do we get credentials ($CREDENTIALS_DIRECTORY, systemd.exec(5))? Then a missing secret may come later.
bool has_credentials();

// For reading again: Error(config) naming `what` when there was a secret and now there is none, as after a credential was removed: what needs
// one must not go on without it. `before`: whether there was one at the last successful reading.
void check_still_there(bool before, bool now, const std::string &what);

constexpr std::size_t short_key = 16;  // characters; a key of fewer can be guessed

// For a file of keys that a library reads, such as TLS: warns when others than its owner and group may read
// it, and forbids core dumps.
void guard_key_file(const std::string &path);

// From now on no core dump of this process is made, and nobody but root may trace it or read its memory (PR_SET_DUMPABLE, prctl(2)).
void forbid_dumps();

}  // namespace ble
