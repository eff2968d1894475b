#include "base/counters.hpp"

#include <utility>

namespace ble {
namespace {

struct Row {
    const char *name;
    const std::atomic<std::uint64_t> Counters::*value;
    bool total;  // only grows
};

constexpr Row rows[] = {
    {"in", &Counters::in, true},
    {"out", &Counters::out, true},
    {"dropped", &Counters::dropped, true},
    {"rejected", &Counters::rejected, true},
    {"torn", &Counters::torn, true},
    {"queued", &Counters::queued, false},
    {"oldest_ms", &Counters::oldest_ms, false},
};

}  // namespace

std::string Counters::json(const std::string &tool) const {
    std::string text = R"({"tool":")" + tool + '"';
    for (const auto &row : rows)
        text.append(",\"").append(row.name).append("\":") += std::to_string((this->*row.value).load());
    return text + "}";
}

std::string Counters::prometheus(const std::string &tool) const {
    std::string text;
    for (const auto &row : rows) {
        const std::string name = std::string("blepipe_") + row.name + (row.total ? "_total" : "");
        text += "# TYPE " + name + (row.total ? " counter\n" : " gauge\n");
        text += name + "{tool=\"" + tool + "\"} " + std::to_string((this->*row.value).load()) + "\n";
    }
    return text;
}

}  // namespace ble
