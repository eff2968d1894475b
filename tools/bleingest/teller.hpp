// What bleingest says about what was stored: events on standard output, and warnings of what no honest Pi does.
#pragma once

#include <string>
#include <vector>

#include "base/counters.hpp"
#include "base/event_writer.hpp"
#include "base/log.hpp"
#include "store/store.hpp"

namespace ble {

class Teller {
  public:
    // Both are borrowed.
    Teller(EventWriter &events, Counters &counters) : events_(events), counters_(counters) {}

    void write(const std::vector<std::string> &events);  // those that are dropped are counted
    void warn_of(const std::vector<Twins> &twins);
    void warn_of(const std::vector<Conflict> &conflicts);

  private:
    EventWriter &events_;
    Counters &counters_;
    Throttle drops_said_, twins_said_, conflicts_said_;
};

}  // namespace ble
