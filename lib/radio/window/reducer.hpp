// Reduces reports to batches: one detection per advertiser and scan window.
//
// The windows run on the reports' clock, from its first instant on: `window` long, then `pause` without listening. A
// window in which nothing was heard gives an empty batch. A clock that steps back a little is tolerated; when it steps
// back by more than 10 s (or a window), or stands still for longer than `longest_silence`, the series of windows begins
// anew. Pauses of the radio in a window are subtracted from its window_ms; a window that is all pause gives no batch,
// unless somebody was heard all the same. A window that lies in two of the hasher's epochs is cut in two there: no batch has hashes of both.
// Filter, hasher and address resolver can be replaced between two windows (at_next_window()).
// Bounded: a window with very many advertisers gives several batches, each below the longest line there may be.
#pragma once

#include <algorithm>
#include <chrono>
#include <functional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "batch/batch.hpp"
#include "radio/air/report.hpp"
#include "radio/window/address_hasher.hpp"
#include "radio/window/filter.hpp"
#include "radio/window/profile.hpp"
#include "radio/window/rests.hpp"

namespace ble {

struct WindowOptions {
    std::chrono::milliseconds window{10'000}, pause{0};
    int near_dbm = -60, medium_dbm = -75;
    int min_rssi_dbm = -127;  // -127: also reports without RSSI
    ProfileOptions profile;
    Filter filter;            // judges an advertiser by all that it said in the window
    bool counts = false;      // how many advertisers in each zone, instead of detections
    std::uint64_t count = 0;  // batches until satisfied(); 0: no end
    // When the clock stands still for longer, nobody was listening: the series of windows begins anew.
    std::chrono::milliseconds longest_silence = std::chrono::minutes(1);
};

class WindowReducer : public ReportSink {
  public:
    static constexpr std::size_t most_advertisers = 20'000;

    // `emit` gets timestamp, window_ms, interval_ms, and hash_id and detections, or occupancy, filled in.
    using Emit = std::function<void(Batch &)>;
    WindowReducer(const WindowOptions &options, AddressHasher &hasher, Emit emit);

    void advance(Time now) override;
    void add(const Report &report) override;
    void listens(bool on, Time since) override { rests_.tell(on, since); }
    std::optional<Time> due() const override;
    bool satisfied() const override { return options_.count > 0 && emitted_ >= options_.count; }
    // The window in hand ends now: its batch says how long it really was.
    void finish() override;

    // Calls `change`, once, before the next window begins, when no advertiser of the last one is in hand: hasher, filter and what
    // resolves addresses may be replaced then. A second call before that replaces the first.
    void at_next_window(std::function<void()> change) { change_ = std::move(change); }
    // For `change`: a filter with the same reasons as the one before.
    void judge_by(Filter filter) { options_.filter = std::move(filter); }

    // Reports that are in no batch, and why.
    struct LeftOut {
        std::uint64_t weak = 0;             // below min_rssi_dbm
        std::uint64_t paused = 0;           // between two windows
        std::uint64_t anonymous = 0;        // without an address there is nobody to detect
        std::uint64_t without_rssi = 0;     // of advertisers none of whose reports in the window had one
        std::vector<std::uint64_t> hidden;  // by the filter, in the order of its reasons
    };
    const LeftOut &left_out() const { return left_out_; }
    std::uint64_t restarts() const { return restarts_; }          // of the series of windows
    std::chrono::microseconds rested() const { return rested_; }  // in windows, in all

  private:
    struct Advertiser {
        Address address;
        const Identity *identity = nullptr;
        Filter::Verdict verdict;
        RssiCounts rssi;
        std::uint32_t count = 0;
        Time last_heard{};
        Profile profile;
    };

    void begin(Time now);
    void change();
    Time end() const {
        return std::min(end_, hasher_.epoch_end(start_));
    }  // of the window, or of its first part
    std::chrono::milliseconds listened(std::chrono::milliseconds length) const;
    void close(std::chrono::milliseconds length);
    void detect(std::chrono::milliseconds length);
    void count(std::chrono::milliseconds length);
    bool leave_out(const Advertiser &advertiser);
    Zone zone(int rssi_dbm) const;
    Detection detection(const Advertiser &advertiser);
    void emit(Batch batch, std::chrono::milliseconds length);

    WindowOptions options_;
    AddressHasher &hasher_;
    Rests rests_;
    std::chrono::microseconds rested_{0};
    Emit emit_;
    std::function<void()> change_;  // wanted at the next window; empty: nothing
    CompanyNames companies_;
    bool begun_ = false;
    Time start_{}, end_{};                                   // of the window, or of what is left of it
    Time latest_{};                                          // the furthest the clock came in this series
    std::vector<Advertiser> advertisers_;                    // in the order they were first heard
    std::unordered_map<std::uint64_t, std::size_t> places_;  // by address, or identity
    Advertisement scratch_;
    std::uint64_t emitted_ = 0, restarts_ = 0;
    LeftOut left_out_;
};

}  // namespace ble
