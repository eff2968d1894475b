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

// While one lives, read_small_file() and read_text_file() never wait, because a service that reads its files again must not:
// Error(config) for anything but a regular file.
class ReadingAgain {
  public:
    ReadingAgain();
    ~ReadingAgain();
    ReadingAgain(const ReadingAgain &) = delete;
    ReadingAgain &operator=(const ReadingAgain &) = delete;
};

// Error(code) when `path` is a pipe. For files that a library opens more than once: it would wait for ever.
void refuse_pipe(const std::string &path, ExitCode code);

// Where to write the file `path`: a symbolic link as its last part is followed if this process's user or root made
// it. Error(permission) for a link of anybody else, who may have made it in a folder that all may write to.
std::string own_place(const std::string &path);

// open(2), close-on-exec, of own_place(). Empty: errno says why.
UniqueFd open_own(const std::string &path, int flags, mode_t mode);

// Of the program that runs: "/usr/bin". Empty: it is not known.
std::string program_folder();

// Why `path` cannot be opened, for messages; for ENOENT "the folder /x is missing" if that is the reason.
std::string why_not_opened(const std::string &path, int error);

// Error from errno, as system_error(): "unable to WHAT PATH: why_not_opened()". `what` as in "open the spool".
Error file_error(const std::string &what, const std::string &path, ExitCode code);

// Can a file be at `path`, whether it exists or not? For --check: makes and opens nothing. `what` as in "the spool". Error(config): it cannot.
// An empty path and missing rights are accepted: another user may run the service.
void check_place(const std::string &what, const std::string &path);

// Error(config): something at `path` is not a regular file, but for instance /dev/null or a FIFO. `what` as in "the spool".
void check_regular(const std::string &what, const std::string &path);

// $STATE_DIRECTORY/name under systemd, else `name` in the working directory.
std::string default_state_path(const std::string &name);

}  // namespace ble
