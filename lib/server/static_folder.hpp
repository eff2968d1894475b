// A folder of files for a browser. Nothing outside it can be reached: each step of a path is opened from the one before,
// symbolic links and names that begin with a dot are refused.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/unique_fd.hpp"

namespace ble {

struct StaticFile {
    UniqueFd fd;
    std::uint64_t size = 0;
    std::string type;  // of its content: "text/html; charset=utf-8"
    std::string tag;   // of its version, quoted as ETag wants it
};

class StaticFolder {
  public:
    // Error(config) when `path` is no folder that can be read.
    explicit StaticFolder(const std::string &path);

    // `path` as in a URL, decoded: "/", "/app.js". A folder stands for its index.html. Empty: there is no such file.
    std::optional<StaticFile> open(std::string_view path) const;

  private:
    UniqueFd folder_;
};

// The folder of the page that comes with blews, as installed beside the running program, or in the source tree it was
// built in; empty when neither is there.
std::string find_dashboard();

// The library that draws its charts, as Debian's libjs-chart.js installs it: its folder, empty when it is not there; its name in it.
std::string find_charts();
constexpr std::string_view chart_library = "/chart.min.js";

}  // namespace ble
