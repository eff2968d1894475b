// Metrics as text that Prometheus reads: its exposition format, version 0.0.4.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ble {

class Exposition {
  public:
    static constexpr char content_type[] = "text/plain; version=0.0.4; charset=utf-8";
    using Labels = std::vector<std::pair<const char *, std::string>>;  // values: UTF-8
    enum class Kind : std::uint8_t { counter, gauge };                 // what only grows; what is as it is

    // `labels`: of every sample. One without a value is left out, which means the same.
    explicit Exposition(const Labels &labels);

    // Begins the metric "blepipe_" and `name`; its samples follow. Whoever scrapes wants each metric once, with the same
    // help and kind in all tools.
    void metric(const std::string &name, Kind kind, const char *help);
    void sample(std::uint64_t value, const Labels &more = {}) { write(std::to_string(value), more); }
    void seconds(std::chrono::milliseconds time, const Labels &more = {});  // "61.040"; not negative

    const std::string &text() const { return text_; }

  private:
    void write(const std::string &value, const Labels &more);

    std::string labels_, name_, text_;
};

// Between double quotes, in JSON as in a label. `text` has no control characters but line feeds.
std::string in_quotes(std::string_view text);

}  // namespace ble
