#include "base/secret.hpp"

#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/log.hpp"

namespace ble {
namespace {

std::string environment(const std::string &name) {
    const char *value = std::getenv(name.c_str());
    return value == nullptr ? std::string() : std::string(value);
}

void warn_of_readers(const std::string &path) {
    struct stat status {};
    if (::stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode) && (status.st_mode & S_IROTH) != 0)
        log_warning(path + " holds a secret, and everybody on this machine may read it: chmod o= " + path);
}

// Where a secret stands, for messages, and all that stands there.
struct Source {
    std::string name, text;
};

std::optional<Source> find_source(const std::string &file, const std::string &name) {
    const auto in_file = [](const std::string &what, const std::string &path) {
        warn_of_readers(path);
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
        say("has Windows line ends (CRLF): they are not part of the secret");
    }
    if (line.empty())
        throw Error(
            ExitCode::config,
            source.name + (source.text.empty() ? " is empty"
                                               : " begins with an empty line: the secret is its first line"));
    if (end + 1 < source.text.size()) say("has more than one line: only the first is the secret");
    constexpr std::string_view blanks = " \t";
    if (blanks.find(line.front()) != std::string_view::npos)
        say("begins with a blank, which is part of the secret");
    if (blanks.find(line.back()) != std::string_view::npos)
        say("ends with a blank, which is part of the secret");
    return line;
}

}  // namespace

std::optional<std::string> find_secret(const std::string &file, const std::string &name) {
    const auto source = find_source(file, name);
    if (!source) return {};
    forbid_dumps();
    return first_line(*source);
}

std::optional<std::string> find_key(const std::string &file, const std::string &name) {
    auto key = find_secret(file, name);
    if (key && key->size() < short_key)
        log_warning((file.empty() ? name : file) + ": the key is shorter than " + std::to_string(short_key) +
                    " characters and can be guessed; make one with: openssl rand -hex 32");
    return key;
}

std::optional<std::string> find_secrets(const std::string &file, const std::string &name) {
    auto source = find_source(file, name);
    if (!source) return {};
    forbid_dumps();
    return std::move(source->text);
}

bool has_credentials() {
    return !environment("CREDENTIALS_DIRECTORY").empty();
}

void check_still_there(bool before, bool now, const std::string &what) {
    if (before && !now) throw Error(ExitCode::config, what + " is not there any more");
}

void guard_key_file(const std::string &path) {
    warn_of_readers(path);
    forbid_dumps();
}

void forbid_dumps() {
    if (::prctl(PR_SET_DUMPABLE, 0) != 0) throw system_error("forbid core dumps");
}

}  // namespace ble
