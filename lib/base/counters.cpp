#include "base/counters.hpp"

#include <utility>

#include "base/version.hpp"

namespace ble {
namespace {

using std::chrono::milliseconds;

milliseconds steady_now() {
    return std::chrono::floor<milliseconds>(std::chrono::steady_clock::now().time_since_epoch());
}

std::optional<milliseconds> as_time(const std::optional<std::uint64_t> &ms) {
    if (!ms) return std::nullopt;
    return milliseconds(*ms);
}

}  // namespace

void Counters::note_window(const std::optional<Time> &end) {
    if (end)
        newest_window_ms_ =
            static_cast<std::uint64_t>(std::chrono::floor<milliseconds>(end->time_since_epoch()).count());
}

std::optional<milliseconds> Counters::newest_window() const {
    return as_time(newest_window_ms_.get());
}

void Counters::note_radio() {
    radio_heard_ms_ = static_cast<std::uint64_t>(steady_now().count());
}

std::optional<milliseconds> Counters::radio_silence() const {
    const auto heard = as_time(radio_heard_ms_.get());
    if (!heard) return std::nullopt;
    return steady_now() - *heard;
}

std::string Counters::json(const std::string &tool) const {
    std::string text = R"({"tool":")" + tool + '"';
    const auto add = [&](const char *name, std::uint64_t value) {
        text.append(",\"").append(name).append("\":") += std::to_string(value);
    };
    for (const auto &[name, count] :
         {std::pair("in", &in), std::pair("out", &out), std::pair("dropped", &dropped),
          std::pair("rejected", &rejected), std::pair("torn", &torn)})
        add(name, count->load());
    add("queued", queued.get().value_or(0));
    add("oldest_ms", oldest_ms.get().value_or(0));
    for (const auto &[name, count] : {std::pair("expired", &expired), std::pair("conflicts", &conflicts),
                                      std::pair("collisions", &collisions), std::pair("blank", &blank)})
        if (const auto value = count->get().value_or(0); value > 0) add(name, value);
    for (const auto &[by, reports] : hidden)
        text.append(&by == &hidden.front().by ? ",\"hidden\":{" : ",").append(in_quotes(by)).append(":") +=
            std::to_string(reports.load());
    return text + (hidden.empty() ? "}" : "}}");
}

}  // namespace ble
