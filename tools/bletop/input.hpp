// Where bletop's lines come from.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/counters.hpp"
#include "bletop/options.hpp"

namespace ble {

class Input {
  public:
    using Clock = std::chrono::steady_clock;
    // Of a line; false: it is none of ours.
    using Taker = std::function<bool(std::string_view)>;

    virtual ~Input() = default;
    virtual int fd() const = 0;  // readable: call take()
    // Call take() then at the latest.
    virtual std::optional<Clock::time_point> due() const = 0;
    // Hands on the lines that have come, and counts them. True: there were some, or the status is another one.
    virtual bool take(const Taker &taker) = 0;
    virtual bool ended() const = 0;
    virtual std::string status() const = 0;  // for people
};

// Standard input, or the server of --url. `counters` must outlive it.
std::unique_ptr<Input> make_input(const TopOptions &options, Counters &counters);

}  // namespace ble
