// Extended advertising data that the controller hands over in several reports, put together again.
//
// A report with data status 1 ("more to come") is held until the same advertiser's, advertising set's and kind's next
// one ends it. Bounded: 64 advertisers at once, 1650 bytes each (the longest data there is), one second of waiting.
// What has to be given up is handed on as far as it came, as truncated (data status 2): no report is lost.
// Parts that were sent before we listened are not missed: what is left of their data looks like whole data.
#pragma once

#include <functional>
#include <list>
#include <vector>

#include "radio/air/report.hpp"

namespace ble {

class FragmentJoiner {
  public:
    static constexpr std::size_t most_open = 64, longest_data = 1650;

    // Called with each whole report; its data is valid during the call.
    using Sink = std::function<void(const Report &)>;
    explicit FragmentJoiner(Sink sink) : sink_(std::move(sink)) {}

    // Passes the report on, holds it or completes it.
    void add(const Report &report);
    // Hands on what is held.
    void finish();

  private:
    struct Open {
        Report report;
        std::vector<std::uint8_t> data;
        bool overlong = false;
    };
    using Place = std::list<Open>::iterator;

    Place find(const Report &report);
    void append(Open &open, const Report &report);
    void hand_on(Place open, bool truncated);

    Sink sink_;
    std::list<Open> open_;  // the longest held first
};

}  // namespace ble
