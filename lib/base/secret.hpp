// Secrets: never on the command line, never in a core dump.
#pragma once

#include <optional>
#include <string>
#include <utility>

namespace ble {

// A password, from the first of: the file named by an option (`file`, empty: not given); the environment variable NAME;
// the file named by NAME_FILE; $CREDENTIALS_DIRECTORY/name (lower case). It is the first line there, without its line end
// (LF or CRLF). What is odd about it is warned of: a byte order mark, CRLF, blanks at its ends, further lines, a file that others
// than its owner and group may read. Whoever holds a secret makes no core dump from then on.
// Empty result: none is set. Error(config) when a named file cannot be read, or its first line is empty.
std::optional<std::string> find_secret(const std::string &file, const std::string &name);
// The same of a key or a token, which is ours to make: one that is short enough to be guessed is warned of.
std::optional<std::string> find_key(const std::string &file, const std::string &name);
// Of the same places, all that stands there: for secrets of which each has a line.
std::optional<std::string> find_secrets(const std::string &file, const std::string &name);

// Does somebody hand us credentials ($CREDENTIALS_DIRECTORY, systemd.exec(5))? Then a secret that is not there yet may come later.
bool has_credentials();

// For reading again: Error(config) naming `what` when there was a secret and `now` is none, as when a credential was taken away: what needs
// one must not go on without. One that came later must stay as well: `before` is how it was when it was last taken.
void check_still_there(bool before, bool now, const std::string &what);

constexpr std::size_t short_key = 16;  // characters; a key of fewer can be guessed

// The same care for a file of keys that somebody else reads, as a TLS library: warns when others than its owner and group may read
// it, and forbids core dumps.
void guard_key_file(const std::string &path);

// From now on no core dump of this process is made, and nobody but root may trace it or read its memory (PR_SET_DUMPABLE, prctl(2)).
void forbid_dumps();

}  // namespace ble
