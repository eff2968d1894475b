// blesub's loop: the broker's messages to the output, and word back when they are safe there.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "base/counting_writer.hpp"
#include "base/lifecycle.hpp"
#include "base/secret.hpp"
#include "batch/reject_file.hpp"
#include "blesub/confirmer.hpp"
#include "blesub/handover.hpp"
#include "blesub/options.hpp"
#include "transport/mqtt_subscriber.hpp"

namespace ble {

class Receiver {
  public:
    Receiver(const ReceiveOptions &options, Counters &counters);

    // Until it is time to end.
    ExitCode run(Lifecycle &lifecycle);
    void refresh() const;  // the counters that show a state

  private:
    void take_window();
    void wait(const Lifecycle &lifecycle);
    void report(Lifecycle &lifecycle);
    void reload();
    std::string status() const;
    std::optional<ExitCode> verdict(const Lifecycle &lifecycle);

    const ReceiveOptions &options_;
    Counters &counters_;
    CountingWriter writer_;
    RejectFile rejects_;
    std::optional<Confirmer> confirmer_;  // none without --confirm
    Handover handover_;
    MqttSubscriber subscriber_;
    bool hung_up_ = false;
    std::optional<std::chrono::steady_clock::time_point> end_;  // when what waits is given up
    std::string link_;
    bool has_password_, has_key_;  // now
};

}  // namespace ble
