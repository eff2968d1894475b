// From looks at the inputs to the store, and to what is said of that. A line is consumed when it is stored, or set aside.
#pragma once

#include <list>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "base/counters.hpp"
#include "base/event_writer.hpp"
#include "base/lifecycle.hpp"
#include "batch/reject_file.hpp"
#include "bleingest/devices.hpp"
#include "bleingest/expiry.hpp"
#include "bleingest/input.hpp"
#include "bleingest/options.hpp"
#include "bleingest/patience.hpp"
#include "bleingest/rolling.hpp"
#include "bleingest/teller.hpp"
#include "store/intake.hpp"

namespace ble {

class Ingest {
  public:
    explicit Ingest(const IngestOptions &options);  // borrowed

    ExitCode run();

  private:
    bool stopping();
    bool wait_for_store();
    bool full() const;
    std::string status() const;
    void wait();
    bool step(Input &input);
    std::optional<std::size_t> take(LookingReader &reader, std::span<const Line> lines);
    void count();
    ExitCode rebuild();
    ExitCode finish();

    const IngestOptions &options_;
    Counters counters_;
    Devices devices_{counters_};
    Lifecycle lifecycle_;
    RejectFile reject_;
    EventWriter events_;
    Teller teller_{events_, counters_};
    Patience patience_{lifecycle_};
    Expiry expiry_;
    Rolling rolling_;
    std::unique_ptr<Store> store_;
    std::list<Input> inputs_;
    Intake intake_;
    Intake::Counts stored_;
    bool more_ = false;      // a look showed more than one transaction takes
    bool idle_ = true;       // nothing was taken in this round
    bool unstored_ = false;  // stopped while the store could not take what was in hand
};

}  // namespace ble
