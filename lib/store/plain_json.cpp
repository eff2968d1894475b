#include "store/plain_json.hpp"

namespace ble {

std::optional<std::string> without_nul(std::string_view json) {
    constexpr std::string_view nul = "\\u0000", other = "\\ufffd";
    if (json.find(nul) == json.npos) return {};
    std::string changed;
    while (!json.empty()) {
        const bool is_nul = json.starts_with(nul);
        // What stands behind a backslash goes with it: it may be another one.
        const std::size_t length = is_nul ? nul.size() : json.front() == '\\' && json.size() > 1 ? 2 : 1;
        changed += is_nul ? other : json.substr(0, length);
        json.remove_prefix(length);
    }
    return changed;
}

}  // namespace ble
