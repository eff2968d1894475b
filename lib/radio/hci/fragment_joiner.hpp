// Joins extended advertising data that the controller delivers in several reports.
//
// A report with data status 1 ("more to come") is held until a later part of the same adapter or capture interface,
// advertiser, advertising set and kind ends it. A controller sends the parts back to back, so waiting is short: it ends a
// second after the first part, or 80 ms after the last one, by the clock of the reports, whatever comes meanwhile, or when the
// same first part comes again. What is given up is passed on as far as it came, as truncated (data status 2), with the
// time of its last part: no report is lost. A tail that comes after its beginning was given up is marked
// truncated as well.
// A later part without an address (00:00:00:00:00:00, or of an anonymous type) belongs to the set of its adapter that
// was heard last.
// Parts that were sent before we listened are not noticed: the rest looks like whole data.
// Bounded, over all adapters together: 64 advertisers held at once, 1650 bytes each (the longest data there is), and the
// names of 256 that were given up.
#pragma once

#include <functional>
#include <list>
#include <optional>
#include <vector>

#include "radio/air/report.hpp"

namespace ble {

class FragmentJoiner {
  public:
    static constexpr std::size_t most_open = 64, most_given_up = 256, longest_data = 1650;
    static constexpr std::chrono::milliseconds patience{1000}, longest_pause{80};

    // Called with each whole report; its data is valid during the call.
    using Sink = std::function<void(const Report &)>;
    explicit FragmentJoiner(Sink sink) : sink_(std::move(sink)) {}

    // Passes the report on, holds it or completes it. `source`: a number for the adapter or interface that heard it.
    // Of a report that is held, `adapter` must stay valid.
    void add(const Report &report, std::uint64_t source);
    // The clock of the reports has reached `now`, or was set to it: hands on what has waited too long.
    void advance(Time now);
    // Of what is held: when the part that is the longest ago was heard. Empty: nothing is held.
    std::optional<Time> earliest() const;
    // Hands on what is held.
    void finish();

  private:
    struct Open {
        std::uint64_t source;
        Report report;  // that of the last part
        Time first;
        std::vector<std::uint8_t> data;
        std::size_t first_part;  // bytes of data that came with it
        bool overlong = false;
    };
    struct GivenUp {
        std::uint64_t source;
        Report report;  // without its data
        Time when;
    };
    using Place = std::list<Open>::iterator;

    Place find(const Report &report, std::uint64_t source);
    void hold(const Report &report, std::uint64_t source);
    void append(Open &open, const Report &report);
    void hand_on(Place open, bool truncated);
    void give_up(Place open, Time now);
    bool forget_given_up(const Report &report, std::uint64_t source);

    Sink sink_;
    std::list<Open> open_;         // the longest held first
    std::list<GivenUp> given_up_;  // the longest ago first
};

}  // namespace ble
