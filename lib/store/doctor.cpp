#include "store/doctor.hpp"

#include <chrono>

#include "base/error.hpp"

namespace ble {
namespace {

constexpr std::int64_t hour_s = 3600;

}  // namespace

Finding judge_newest(std::optional<std::int64_t> newest_ms) {
    constexpr const char *name = "newest";
    const std::string look =
        "is anything on its way? blesub --doctor; at a Pi: blescan --doctor, blesend --doctor";
    if (!newest_ms) return Finding::warning(name, "no batch was stored yet", look);
    const auto now =
        std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch());
    const auto age = now.count() - *newest_ms / 1000;
    const auto found = "the newest batch was stored " + std::to_string(age) + " s ago";
    return age > hour_s ? Finding::warning(name, found, look) : Finding::ok(name, found);
}

Finding attempt(const char *name, const std::string &advice, const std::function<std::string()> &work) {
    try {
        return Finding::ok(name, work());
    } catch (const Error &error) {
        return Finding::failed(name, error.what(), advice);
    }
}

}  // namespace ble
