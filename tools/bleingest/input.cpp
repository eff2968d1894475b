#include "bleingest/input.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/file.hpp"

namespace ble {

Input open_input(const std::string &word, bool hold, std::size_t longest) {
    if (word == "-") return {UniqueFd(), LookingReader(STDIN_FILENO, "standard input", longest)};
    struct stat info {};
    const bool fifo = ::stat(word.c_str(), &info) == 0 && S_ISFIFO(info.st_mode);
    // A FIFO that we could write to as well never ends. Without that, O_NONBLOCK: a writer may come later.
    UniqueFd fd(::open(word.c_str(), (fifo && hold ? O_RDWR : O_RDONLY) | O_NONBLOCK | O_CLOEXEC));
    if (!fd) throw file_error("open", word, errno == EACCES ? ExitCode::permission : ExitCode::io);
    LookingReader reader(fd.get(), word, longest);
    return {std::move(fd), std::move(reader)};
}

}  // namespace ble
