#include "base/file.hpp"

#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdlib>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/unique_fd.hpp"

namespace ble {
namespace {

constexpr std::size_t largest = 1u << 20;

std::string environment(const std::string &name) {
    const char *value = std::getenv(name.c_str());
    return value == nullptr ? std::string() : std::string(value);
}

// Where a secret stands, for messages, and all that stands there.
struct Source {
    std::string name, text;
};

std::optional<Source> find_source(const std::string &file, const std::string &name) {
    const auto in_file = [](const std::string &what, const std::string &path) {
        return Source{what + ": " + path, read_text_file(path, what)};
    };
    if (!file.empty()) return in_file("a secret", file);
    if (auto value = environment(name); !value.empty()) return Source{name, value};
    if (const auto path = environment(name + "_FILE"); !path.empty()) return in_file(name + "_FILE", path);
    if (const auto folder = environment("CREDENTIALS_DIRECTORY"); !folder.empty()) {
        std::string lower = name;
        std::transform(lower.begin(), lower.end(), lower.begin(),
                       [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
        const std::string path = folder + "/" + lower;
        if (::access(path.c_str(), F_OK) == 0) return in_file("the credential " + lower, path);
    }
    return {};
}

// What it is not is said here: a peer would only answer that it is wrong.
std::string first_line(const Source &source) {
    const std::size_t end = std::min(source.text.find('\n'), source.text.size());
    std::string line = source.text.substr(0, end);
    const auto say = [&](const char *what) { log_warning(source.name + " " + what); };
    if (!line.empty() && line.back() == '\r') {
        line.pop_back();
        say("has line ends of Windows (CRLF): they are not taken for a part of the secret");
    }
    if (line.empty())
        throw Error(
            ExitCode::config,
            source.name + (source.text.empty() ? " is empty"
                                               : " begins with an empty line: the secret is its first line"));
    if (end + 1 < source.text.size()) say("has more than one line: only the first is the secret");
    constexpr std::string_view blanks = " \t";
    if (blanks.find(line.front()) != std::string_view::npos)
        say("begins with a blank: it counts as a part of the secret");
    if (blanks.find(line.back()) != std::string_view::npos)
        say("ends with a blank: it counts as a part of the secret");
    return line;
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

std::string read_text_file(const std::string &path, const std::string &what) {
    constexpr std::string_view utf8 = "\xef\xbb\xbf", utf16 = "\xff\xfe", utf16_be = "\xfe\xff";
    std::string text = read_small_file(path, what);
    if (text.starts_with(utf16) || text.starts_with(utf16_be))
        throw Error(ExitCode::config, what + ": " + path + " is UTF-16: save it as UTF-8, or plain text");
    if (!text.starts_with(utf8)) return text;
    log_warning(what + ": " + path +
                " begins with a byte order mark, which is left out: save it without one");
    return text.substr(utf8.size());
}

std::optional<std::string> find_secret(const std::string &file, const std::string &name) {
    const auto source = find_source(file, name);
    if (!source) return {};
    return first_line(*source);
}

std::optional<std::string> find_secrets(const std::string &file, const std::string &name) {
    auto source = find_source(file, name);
    if (!source) return {};
    return std::move(source->text);
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
