#include "base/file.hpp"

#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdlib>

#include "base/error.hpp"
#include "base/unique_fd.hpp"

namespace ble {
namespace {

constexpr std::size_t largest = 1u << 20;

std::string environment(const std::string &name) {
    const char *value = std::getenv(name.c_str());
    return value == nullptr ? std::string() : std::string(value);
}

std::string read_secret(const std::string &path, const std::string &what) {
    std::string secret = read_small_file(path, what);
    if (!secret.empty() && secret.back() == '\n') secret.pop_back();
    if (secret.empty()) throw Error(ExitCode::config, what + ": " + path + " is empty");
    return secret;
}

}  // namespace

std::string read_small_file(const std::string &path, const std::string &what) {
    const auto failed = [&] { return system_error("read " + what + " from " + path, ExitCode::config); };
    UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) throw failed();
    std::string content;
    char piece[16384];
    for (;;) {
        const auto count = ::read(fd.get(), piece, sizeof piece);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) throw failed();
        if (count == 0) return content;
        content.append(piece, static_cast<std::size_t>(count));
        if (content.size() > largest)
            throw Error(ExitCode::config, what + ": " + path + " is longer than 1 MiB");
    }
}

std::optional<std::string> find_secret(const std::string &file, const std::string &name) {
    if (!file.empty()) return read_secret(file, "a secret");
    if (auto value = environment(name); !value.empty()) return value;
    if (const auto path = environment(name + "_FILE"); !path.empty())
        return read_secret(path, name + "_FILE");
    if (const auto folder = environment("CREDENTIALS_DIRECTORY"); !folder.empty()) {
        std::string lower = name;
        std::transform(lower.begin(), lower.end(), lower.begin(),
                       [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
        const std::string path = folder + "/" + lower;
        if (::access(path.c_str(), F_OK) == 0) return read_secret(path, "the credential " + lower);
    }
    return {};
}

void forbid_dumps() {
    if (::prctl(PR_SET_DUMPABLE, 0) != 0) throw system_error("forbid core dumps");
}

std::string default_state_path(const std::string &name) {
    const std::string folders =
        environment("STATE_DIRECTORY");  // systemd.exec(5): several are separated by colons
    return folders.empty() ? name : folders.substr(0, folders.find(':')) + "/" + name;
}

}  // namespace ble
