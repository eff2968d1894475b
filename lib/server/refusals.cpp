#include "server/refusals.hpp"

namespace ble {

void Refusals::note(Kind kind, const std::string &text) {
    Count &count = counts_.at(static_cast<std::size_t>(kind));
    count.so_far++;
    if (!count.log.due()) return;
    log_warning(text + (count.so_far > 1 ? " (" + std::to_string(count.so_far) + " so far)" : ""));
}

std::string Refusals::json(std::initializer_list<Kind> kinds, std::uint64_t clients) const {
    constexpr std::array names{"host", "origin", "token", "handshake", "key", "device", "rate"};
    static_assert(names.size() == std::tuple_size_v<decltype(counts_)>);
    std::string out = "{";
    for (const Kind kind : kinds) {
        const auto i = static_cast<std::size_t>(kind);
        out += "\"" + std::string(names[i]) + "\":" + std::to_string(counts_[i].so_far) + ",";
    }
    return out + "\"clients\":" + std::to_string(clients) + "}";
}

}  // namespace ble
