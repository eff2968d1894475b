// A part of a live scan: the client of BlueZ, the kernel's monitor socket. A loop polls several; none blocks.
#pragma once

#include <chrono>
#include <optional>

#include "radio/air/report.hpp"

namespace ble {

class LiveSource {
  public:
    using Clock = std::chrono::steady_clock;
    virtual ~LiveSource() = default;

    // For poll(2); asked anew before each wait. -1: none.
    virtual int fd() const = 0;
    virtual short events() const = 0;
    // When handle() has something to do although the descriptor is silent.
    virtual std::optional<Clock::time_point> due() const = 0;
    // Does what there is to do without blocking, at the wall clock's present; reports go to `sink`. Throws Error when the
    // scan cannot go on.
    virtual void handle(Time present, ReportSink &sink) = 0;
    // Would it hear an advertisement now? Unless all sources would, there are no windows.
    virtual bool listening() const = 0;
    // Is there no fault that a restart of the tool would repair? systemd's watchdog is fed while this is true.
    virtual bool alive() const = 0;
};

}  // namespace ble
