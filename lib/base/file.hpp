// Files that tools read whole, and the places of those that they write.
#pragma once

#include <sys/types.h>

#include <string>

#include "base/error.hpp"
#include "base/unique_fd.hpp"

namespace ble {

// The file's bytes. Error(config) naming `what` when it cannot be read or is longer than 1 MiB. A pipe, as a shell makes one for
// <(COMMAND), is read to its end, and waited for at most half a minute; it cannot be read twice.
std::string read_small_file(const std::string &path, const std::string &what);

// The same of text. A byte order mark is cut off, with a warning; Error(config) also for UTF-16.
std::string read_text_file(const std::string &path, const std::string &what);

// While one lives, read_small_file() and read_text_file() wait for nothing, as a service must not that reads its files again:
// Error(config) for what is no regular file.
class ReadingAgain {
  public:
    ReadingAgain();
    ~ReadingAgain();
    ReadingAgain(const ReadingAgain &) = delete;
    ReadingAgain &operator=(const ReadingAgain &) = delete;
};

// Error(code) when `path` is a pipe, for files that a library opens, more than once: it would wait for its writer for ever.
void refuse_pipe(const std::string &path, ExitCode code);

// Where a file is written that `path` names: symbolic links in the last place are followed when this process's user or root made
// them. Error(permission) for the link of anybody else, as one may plant it in a folder that all may write.
std::string own_place(const std::string &path);

// open(2), close-on-exec, of own_place(). Empty: errno says why.
UniqueFd open_own(const std::string &path, int flags, mode_t mode);

// Of the program that runs: "/usr/bin". Empty: it is not known.
std::string program_folder();

// Why `path` cannot be opened, for messages: of the errno ENOENT "the folder /x is missing" where that is it.
std::string why_not_opened(const std::string &path, int error);

// Error from errno, as system_error(): "unable to WHAT PATH: why_not_opened()". `what` as in "open the spool".
Error file_error(const std::string &what, const std::string &path, ExitCode code);

// Can a file be at `path`, there or not? For --check: makes and opens nothing. `what` as in "the spool". Error(config): it cannot. Nothing to object
// to in an empty path, nor in a missing right: who checks the settings of a service is not who runs it.
void check_place(const std::string &what, const std::string &path);

// Error(config): something is at `path`, and no regular file, as /dev/null and a FIFO are. `what` as in "the spool".
void check_regular(const std::string &what, const std::string &path);

// $STATE_DIRECTORY/name under systemd, else `name` in the working directory.
std::string default_state_path(const std::string &name);

}  // namespace ble
