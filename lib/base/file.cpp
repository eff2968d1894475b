#include "base/file.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <climits>
#include <cstdlib>
#include <filesystem>
#include <string_view>
#include <system_error>

#include "base/error.hpp"
#include "base/log.hpp"

namespace ble {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t largest = 1u << 20;
constexpr std::chrono::seconds patience(30);  // with who writes into a pipe

unsigned reading_again = 0;

std::string environment(const std::string &name) {
    const char *value = std::getenv(name.c_str());
    return value == nullptr ? std::string() : std::string(value);
}

bool is_regular(int fd) {
    struct stat status {};
    return ::fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
}

// Until there is something to read in a pipe, or its end. False: not before `end`. A file never lets anybody wait.
bool wait_for_bytes(int fd, Clock::time_point end) {
    pollfd ask{fd, POLLIN, 0};
    for (;;) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now());
        const int count = ::poll(&ask, 1, static_cast<int>(std::max<std::int64_t>(left.count(), 0)));
        if (count >= 0 || errno != EINTR) return count != 0;
    }
}

}  // namespace

ReadingAgain::ReadingAgain() {
    ++reading_again;
}

ReadingAgain::~ReadingAgain() {
    --reading_again;
}

void refuse_pipe(const std::string &path, ExitCode code) {
    struct stat status {};
    if (::stat(path.c_str(), &status) == 0 && S_ISFIFO(status.st_mode))
        throw Error(code, "unable to use " + path +
                              ": it is a pipe, and this must be read more than once: use a regular file");
}

std::string read_small_file(const std::string &path, const std::string &what) {
    const auto failed = [&] { return file_error("read " + what + " from", path, ExitCode::config); };
    // Not blocking: the opening of a pipe would wait for its writer.
    UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (!fd) throw failed();
    if (reading_again > 0 && !is_regular(fd.get()))
        throw Error(ExitCode::config,
                    what + ": " + path +
                        " is not a regular file. A pipe is read only at the start; use a regular file");
    const auto end = Clock::now() + patience;
    std::string content;
    char piece[16384];
    for (;;) {
        if (!wait_for_bytes(fd.get(), end))
            throw Error(ExitCode::config, what + ": " + path +
                                              " is a pipe, and nothing has written it and closed it within " +
                                              std::to_string(patience.count()) + " s");
        const auto count = ::read(fd.get(), piece, sizeof piece);
        if (count < 0 && (errno == EINTR || errno == EAGAIN)) continue;
        if (count < 0) throw failed();
        if (count == 0) return content;
        content.append(piece, static_cast<std::size_t>(count));
        if (content.size() > largest)
            throw Error(ExitCode::config, what + ": " + path + " is longer than 1 MiB");
    }
}

std::string read_text_file(const std::string &path, const std::string &what) {
    constexpr std::string_view utf8 = "\xef\xbb\xbf", utf16 = "\xff\xfe", utf16_be = "\xfe\xff";
    std::string text = read_small_file(path, what);
    if (text.starts_with(utf16) || text.starts_with(utf16_be))
        throw Error(ExitCode::config, what + ": " + path + " is UTF-16: save it as UTF-8, or plain text");
    if (!text.starts_with(utf8)) return text;
    log_warning(what + ": " + path +
                " begins with a byte order mark, which is ignored: save the file without it");
    return text.substr(utf8.size());
}

std::string own_place(const std::string &path) {
    constexpr int most_links = 8;
    std::string place = path;
    for (int i = 0; i < most_links; ++i) {
        // The link itself, so that nobody can put another one in its place between the question and the answer.
        const UniqueFd fd(::open(place.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
        struct stat status {};
        if (!fd || ::fstat(fd.get(), &status) != 0 || !S_ISLNK(status.st_mode)) return place;
        if (status.st_uid != 0 && status.st_uid != ::geteuid())
            throw Error(ExitCode::permission, "unable to write " + path + ": " + place +
                                                  " is a link that another user made; name the file itself");
        std::array<char, PATH_MAX> target{};
        const auto length = ::readlinkat(fd.get(), "", target.data(), target.size());
        if (length <= 0) return place;
        const std::filesystem::path next(std::string_view(target.data(), static_cast<std::size_t>(length)));
        place =
            (std::filesystem::path(place).parent_path() / next).string();  // of an absolute one only itself
    }
    throw Error(ExitCode::config, "unable to write " + path + ": too many links lead there");
}

UniqueFd open_own(const std::string &path, int flags, mode_t mode) {
    return UniqueFd(::open(own_place(path).c_str(), flags | O_NOFOLLOW | O_CLOEXEC, mode));
}

std::string program_folder() {
    std::array<char, PATH_MAX> self{};
    const ssize_t length = ::readlink("/proc/self/exe", self.data(), self.size());
    if (length <= 0 || static_cast<std::size_t>(length) == self.size()) return {};
    const std::string program(self.data(), static_cast<std::size_t>(length));
    return program.substr(0, program.rfind('/'));
}

std::string why_not_opened(const std::string &path, int error) {
    const auto folder = std::filesystem::path(path).parent_path();
    if (error == ENOENT && !folder.empty() && ::access(folder.c_str(), F_OK) != 0 && errno == ENOENT)
        return "the folder " + folder.string() + " is missing";
    return std::generic_category().message(error);
}

Error file_error(const std::string &what, const std::string &path, ExitCode code) {
    return Error(code, "unable to " + what + " " + path + ": " + why_not_opened(path, errno));
}

void check_place(const std::string &what, const std::string &path) {
    if (path.empty()) return;
    const auto object = [&](int error) {
        if (error == EACCES || error == EPERM || error == EROFS) return;
        throw Error(ExitCode::config,
                    "unable to write " + what + " " + path + ": " + why_not_opened(path, error));
    };
    struct stat status {};
    if (::stat(path.c_str(), &status) == 0) {
        if (S_ISDIR(status.st_mode)) object(EISDIR);
        return;
    }
    if (errno != ENOENT) return object(errno);
    const auto parent = std::filesystem::path(path).parent_path();
    const std::string folder = parent.empty() ? "." : parent.string();
    if (::stat(folder.c_str(), &status) != 0)
        object(errno);
    else if (!S_ISDIR(status.st_mode))
        object(ENOTDIR);
}

void check_regular(const std::string &what, const std::string &path) {
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0 || S_ISREG(status.st_mode) || S_ISDIR(status.st_mode)) return;
    throw Error(ExitCode::config,
                "unable to use " + what + " " + path + ": it is no regular file: give another path");
}

std::string default_state_path(const std::string &name) {
    const std::string folders =
        environment("STATE_DIRECTORY");  // systemd.exec(5): several are separated by colons
    return folders.empty() ? name : folders.substr(0, folders.find(':')) + "/" + name;
}

}  // namespace ble
