#include "base/counters.hpp"

#include <utility>

namespace ble {
namespace {

struct Row {
    const char *name;
    const std::atomic<std::uint64_t> Counters::*value;
    bool total;          // only grows
    bool always = true;  // told also when there is none
};

constexpr Row rows[] = {
    {"in", &Counters::in, true},
    {"out", &Counters::out, true},
    {"dropped", &Counters::dropped, true},
    {"rejected", &Counters::rejected, true},
    {"torn", &Counters::torn, true},
    {"queued", &Counters::queued, false},
    {"oldest_ms", &Counters::oldest_ms, false},
    {"expired", &Counters::expired, true, false},
    {"blank", &Counters::blank, true, false},
};

// Between quotes, in JSON as in a Prometheus label.
std::string quoted(const std::string &text) {
    std::string out = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') out += '\\';
        out += c;
    }
    return out + '"';
}

}  // namespace

std::string Counters::json(const std::string &tool) const {
    std::string text = R"({"tool":")" + tool + '"';
    for (const auto &row : rows)
        if (const auto value = (this->*row.value).load(); row.always || value > 0)
            text.append(",\"").append(row.name).append("\":") += std::to_string(value);
    for (const auto &[by, reports] : hidden)
        text.append(&by == &hidden.front().by ? ",\"hidden\":{" : ",").append(quoted(by)).append(":") +=
            std::to_string(reports.load());
    return text + (hidden.empty() ? "}" : "}}");
}

std::string Counters::prometheus(const std::string &tool) const {
    std::string text;
    for (const auto &row : rows) {
        const auto value = (this->*row.value).load();
        if (!row.always && value == 0) continue;
        const std::string name = std::string("blepipe_") + row.name + (row.total ? "_total" : "");
        text += "# TYPE " + name + (row.total ? " counter\n" : " gauge\n");
        text += name + "{tool=\"" + tool + "\"} " + std::to_string(value) + "\n";
    }
    if (!hidden.empty()) text += "# TYPE blepipe_hidden_total counter\n";
    for (const auto &[by, reports] : hidden)
        text.append("blepipe_hidden_total{tool=\"" + tool + "\",by=").append(quoted(by)).append("} ") +=
            std::to_string(reports.load()) + "\n";
    return text;
}

}  // namespace ble
