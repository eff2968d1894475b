// blesend's loop: lines into the spool, batches out of it, until it is time to end.
#pragma once

#include <unistd.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "base/error.hpp"
#include "base/lifecycle.hpp"
#include "base/progress.hpp"
#include "blesend/delivery.hpp"
#include "blesend/intake.hpp"
#include "blesend/intake_pace.hpp"
#include "blesend/loss_report.hpp"
#include "blesend/options.hpp"
#include "transport/transport.hpp"

namespace ble {

class Sender {
  public:
    // All of them outlive it.
    Sender(const SendOptions &given, Counters &counters, Spool &spool, Lifecycle &lifecycle);
    ExitCode run();  // Error(temporary): something is left undelivered

  private:
    bool has_enough() const;
    void take_input();
    void settle_end();
    void end_within(std::chrono::milliseconds time);
    bool done() const;
    std::string status() const;
    void report();
    void reload();
    void wait();
    ExitCode finish() const;
    void leave_behind() const;
    std::chrono::milliseconds stalled_for() const;

    const SendOptions &options_;
    Counters &counters_;
    Spool &spool_;
    Lifecycle &lifecycle_;
    LookingReader input_{STDIN_FILENO, "standard input"};
    RejectFile reject_;
    Intake intake_;
    TransportOptions transport_options_;  // with the secrets that were read last
    std::unique_ptr<Transport> transport_;
    Delivery delivery_;
    LossReport losses_;
    Progress progress_;
    std::optional<std::chrono::steady_clock::time_point> end_;  // when draining is given up
    IntakePace pace_;
    std::chrono::steady_clock::time_point next_report_{};
    bool stopped_ = false, pace_said_ = false, room_made_ = false;
};

}  // namespace ble
