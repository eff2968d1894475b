// What bletop knows: the advertisers that are heard, and the Pis that hear them. It reads lines and has no clock,
// terminal or thread; a copy does not change (for "frozen"). Memory is bounded.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/timestamp.hpp"
#include "batch/batch.hpp"
#include "batch/told.hpp"
#include "top/seq_window.hpp"

namespace ble {

// Of a clock that cannot be set, since any moment. May be negative.
using Instant = std::chrono::milliseconds;

// When a line came.
struct Moment {
    Instant steady{0};
    Time wall{};
};

// The last values of one advertiser at one Pi, oldest first.
class RssiHistory {
  public:
    static constexpr std::size_t room = 48;
    struct Value {
        Instant at;
        int rssi_dbm;
    };
    void add(Value value);
    std::size_t size() const { return size_; }
    Value at(std::size_t index) const { return values_[(begin_ + index) % room]; }
    Value last() const { return at(size_ - 1); }

  private:
    std::array<Value, room> values_{};
    std::uint8_t begin_ = 0, size_ = 0;
};

// One advertiser at one Pi.
struct Hearing {
    std::uint32_t pi = 0;  // its number, for AirModel::pi()
    Zone zone = Zone::far;
    std::optional<float> rate;  // reports a second in the last window, where that tells
    RssiHistory history;        // never empty
    Instant at() const { return history.last().at; }
    int rssi_dbm() const { return history.last().rssi_dbm; }
};

struct Advertiser {
    DeviceHash hash;
    Told told;
    std::size_t told_hash = 0;  // of the details that `told` was read from
    Instant first{0}, at{0};    // first and last heard
    std::uint64_t reports = 0;
    std::vector<Hearing> heard;  // never empty
    std::size_t best = 0;        // of `heard`: the strongest of those that heard it lately
    const Hearing &strongest() const { return heard[best]; }
};

struct Pi {
    std::string device_id, name, location, version;
    Instant at{0};  // when its last line came
    std::optional<std::uint32_t> window_ms, interval_ms;
    std::optional<bool> clock_synced;
    std::optional<std::chrono::milliseconds>
        late;  // from the end of the last window, by its clock, until it came
    std::optional<Occupancy> occupancy;
    std::uint64_t batches = 0, told_lost = 0;
    std::size_t heard = 0;  // advertisers in the last window
    SeqWindow seqs;
    std::string lost_reason;  // the last one that was told
    bool twins = false;       // two runs go on at once

    std::string place() const {
        return name.empty() || location.empty() ? name + location : name + ", " + location;
    }
    // No batch for longer than two of its rounds, and ten seconds.
    bool silent(Instant now) const;
};

class AirModel {
  public:
    struct Limits {
        std::size_t advertisers = 10'000, pis = 1000, hearings = 16;  // hearings: of one advertiser
        Instant forget = std::chrono::minutes(10);                    // advertisers not heard for so long go
        Instant lately =
            std::chrono::minutes(1);  // a Pi that hears an advertiser best has heard it so long ago at most
    };
    explicit AirModel(Limits limits) : limits_(limits) {}

    // A batch, or a gap.
    void take(const ParsedBatch &parsed, const Moment &came);
    void take(const Gap &gap, const Moment &came);
    void take(const Twins &twins, const Moment &came);
    // True: batches from now on are a snapshot, of any age, as a server sends it to a new client. False: they are not.
    void old_ones(bool on) { old_ = on; }
    void note_missed(std::uint64_t events) { missed_ += events; }
    // Lets time pass: old advertisers go.
    void expire(Instant now);

    const std::unordered_map<DeviceHash, Advertiser> &advertisers() const { return advertisers_; }
    const std::unordered_map<std::uint32_t, Pi> &pis() const { return pis_; }
    // Null: it is no longer known.
    const Pi *pi(std::uint32_t number) const;
    const Advertiser *advertiser(const DeviceHash &hash) const;
    // Reports taken in a second, on average of the last ten.
    double rate(Instant now) const;
    std::uint64_t missed() const { return missed_; }  // events that a server dropped for us

  private:
    std::uint32_t number_of(const std::string &device_id, Instant now);
    void note(const Detection &one, const Batch &batch, std::uint32_t pi, const Moment &came);
    Hearing *hearing_at(Advertiser &who, std::uint32_t pi);
    Instant heard_at(const Detection &one, const Batch &batch, const Moment &came) const;
    void choose_best(Advertiser &who) const;
    void make_room();
    void count(std::uint64_t reports, Instant now);

    Limits limits_;
    std::unordered_map<DeviceHash, Advertiser> advertisers_;
    std::unordered_map<std::uint32_t, Pi> pis_;
    std::unordered_map<std::string, std::uint32_t> numbers_;
    std::uint32_t next_number_ = 0;
    std::uint64_t missed_ = 0;
    bool old_ = false;
    struct Second {
        std::int64_t number = -1;
        std::uint64_t reports = 0;
    };
    std::array<Second, 11> seconds_{};  // ten, and the one that is not over
};

}  // namespace ble
