#include "server/static_folder.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <climits>
#include <utility>

#include "base/file.hpp"

namespace ble {

namespace {

constexpr std::array<std::pair<std::string_view, std::string_view>, 20> types{{
    {".html", "text/html; charset=utf-8"},
    {".htm", "text/html; charset=utf-8"},
    {".css", "text/css; charset=utf-8"},
    {".js", "text/javascript; charset=utf-8"},
    {".mjs", "text/javascript; charset=utf-8"},
    {".json", "application/json"},
    {".map", "application/json"},
    {".webmanifest", "application/manifest+json"},
    {".txt", "text/plain; charset=utf-8"},
    {".csv", "text/csv; charset=utf-8"},
    {".svg", "image/svg+xml"},
    {".png", "image/png"},
    {".jpg", "image/jpeg"},
    {".jpeg", "image/jpeg"},
    {".gif", "image/gif"},
    {".webp", "image/webp"},
    {".ico", "image/x-icon"},
    {".woff", "font/woff"},
    {".woff2", "font/woff2"},
    {".wasm", "application/wasm"},
}};

std::string type_of(std::string_view name) {
    for (const auto &[ending, type] : types)
        if (name.ends_with(ending)) return std::string(type);
    return "application/octet-stream";
}

}  // namespace

StaticFolder::StaticFolder(const std::string &path)
    : folder_(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
    if (!folder_) throw file_error("read the folder", path, ExitCode::config);
}

std::optional<StaticFile> StaticFolder::open(std::string_view path) const {
    if (path.empty() || path.front() != '/' || path.size() > PATH_MAX ||
        path.find('\0') != std::string_view::npos)
        return std::nullopt;
    path.remove_prefix(1);
    UniqueFd folder(dup(folder_.get()));
    std::string name;
    while (true) {
        const std::size_t slash = path.find('/');
        name = path.substr(0, slash);
        if (slash == std::string_view::npos) break;
        path.remove_prefix(slash + 1);
        if (name.empty() || name.front() == '.') return std::nullopt;
        folder =
            UniqueFd(openat(folder.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
        if (!folder) return std::nullopt;
    }
    if (name.empty()) name = "index.html";
    if (name.front() == '.') return std::nullopt;
    StaticFile file;
    // O_NONBLOCK: somebody may have put a FIFO there.
    file.fd = UniqueFd(openat(folder.get(), name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    struct stat info {};
    if (!file.fd || fstat(file.fd.get(), &info) != 0 || !S_ISREG(info.st_mode)) return std::nullopt;
    file.size = static_cast<std::uint64_t>(info.st_size);
    file.type = type_of(name);
    file.tag = "\"" + std::to_string(info.st_mtim.tv_sec) + "." + std::to_string(info.st_mtim.tv_nsec) + "-" +
               std::to_string(info.st_size) + "\"";
    return file;
}

std::string find_dashboard() {
    const std::string folder = program_folder();
    if (folder.empty()) return {};
    for (const char *place : {"/../share/blepipe/dashboard", "/../../../dashboard"}) {
        struct stat info {};
        if (stat((folder + place + "/index.html").c_str(), &info) == 0) return folder + place;
    }
    return {};
}

std::string find_charts() {
    const std::string folder = "/usr/share/javascript/chart.js";
    struct stat info {};
    return stat((folder + std::string(chart_library)).c_str(), &info) == 0 ? folder : std::string();
}

}  // namespace ble
