// What the questions of lib/store/questions.hpp are answered with. Times are UTC; a time that is not there is not known.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/timestamp.hpp"
#include "batch/batch.hpp"
#include "batch/told.hpp"

namespace ble {

// A Pi, and where it is or was.
struct Spot {
    std::string device_id;
    std::optional<std::string> name, location;
};

// How a Pi is.
struct PiState {
    enum class State {
        listening,
        silent,  // nothing came of it for three of its intervals and five minutes
        gone,    // taken down: is_active is 0
    };
    Spot spot;
    State state = State::listening;
    std::optional<Time> first_seen, last_heard, silent_since, two_at_once;
    std::optional<std::int64_t> interval_ms;
    std::optional<bool> clock_synced;
    std::optional<std::string> hash_id, sender, version;
    std::int64_t batches_missing = 0, conflicts = 0;
};

// An advertiser, and the Pi that hears it best.
struct Presence {
    std::string device_hash;
    Spot spot;
    std::int64_t rssi = 0;  // dBm, the strongest there
    Zone zone = Zone::far;
    Time last{};                           // of all Pis
    std::int64_t pis = 0, detections = 0;  // of all Pis: how many hear it, and how often they did
    Told told;                             // of its latest detection; of more than an hour: nothing
};

// What a Pi did in a stretch of time. `gap`: it listened, but batches are missing; `silent`: no batches are
// known.
enum class Listening { listening, silent, gap };

struct CoverageStretch {
    Listening what = Listening::listening;
    Time from{}, until{};
    Spot spot;
    std::optional<bool> clock_synced;
    std::optional<std::string> reason;                 // of a gap
    std::optional<std::int64_t> windows, listened_ms;  // while listening
};

// One advertiser at one Pi in one step of time; or a stretch in which a Pi did not listen, or of which batches are missing: there,
// silence is not absence.
struct TrackPoint {
    std::optional<Listening> not_heard_because;  // empty: it was heard
    Time from{}, until{};
    Spot spot;
    std::string device_hash;  // from here on: where it was heard
    std::optional<Time> first, last;
    std::int64_t rssi = 0, rssi_sum = 0, detections = 0;  // dBm, the strongest, and the sum of all
    Zone zone = Zone::far;
    std::optional<std::string> reason;  // of a gap
    Told told;  // of the last row in which it was heard: what it told last of itself within the whole time
    double mean_rssi() const {
        return detections == 0 ? 0 : static_cast<double>(rssi_sum) / static_cast<double>(detections);
    }
};

// How many advertisers were at a place in one step of time, or at a Pi. There is one for each step in which somebody listened there, also
// when nobody was heard; without one, nobody listened.
struct Occupied {
    Time from{}, until{};
    std::optional<std::string> device_id;  // when it is asked Pi by Pi
    std::optional<std::string> name, location;
    // Each advertiser in the nearest zone in which a Pi of the place heard it. Of Pis that tell numbers alone, the greatest of one window.
    std::int64_t near = 0, medium = 0, far = 0;
    std::int64_t pis = 0, listened_ms = 0;  // of all those Pis together
};

// What did not arrive: batches, or all of a device.
struct Missing {
    std::string what;  // "batches" or "device"
    Spot spot;
    std::optional<Time> since, lost_from, lost_to;  // when it was noticed, and between which times it was
    std::string reason;
    std::optional<std::int64_t> batches, from_seq, to_seq;
    std::optional<std::string> run_id, lost_clock;
};

// An advertiser that was heard often.
struct TopAdvertiser {
    std::string device_hash;
    std::int64_t detections = 0, pis = 0, rssi = 0;  // dBm, the strongest
    Time first{}, last{};
};

template <class Row>
struct Answers {
    std::vector<Row> rows;
    bool more = false;  // there are more than the limit
    bool cut = false;   // rollups of a day of that time are deleted in part: what is told of it is not all
    // Of an answer without rows: had a Pi listened at all?
    std::optional<bool> anybody_listened = {};
};

}  // namespace ble
