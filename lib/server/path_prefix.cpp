#include "server/path_prefix.hpp"

#include "base/error.hpp"

namespace ble {

PathPrefix::PathPrefix(const std::string &given) : prefix_(given.substr(0, given.find_last_not_of('/') + 1)) {
    constexpr const char *plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/";
    if (given.empty() ||
        (given[0] == '/' && given.find_first_not_of(plain) == std::string::npos &&
         (prefix_ + "/").find("/./") == std::string::npos &&
         (prefix_ + "/").find("/../") == std::string::npos && prefix_.find("//") == std::string::npos))
        return;
    throw Error(
        ExitCode::config,
        "--prefix " + given + ": not a path; write it as /ble, with letters, digits, '-', '.', '_' or '~'");
}

std::string PathPrefix::strip(const std::string &path) const {
    const bool within =
        path.starts_with(prefix_) && (path.size() == prefix_.size() || path[prefix_.size()] == '/');
    return within ? path.substr(prefix_.size()) : path;
}

}  // namespace ble
