#include "bleingest/rolling.hpp"

#include <algorithm>
#include <string>

namespace ble {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

// As many as one step takes: more of them would be behind for long.
constexpr std::uint64_t much = 20'000;
// Each step is a commit, so a resting input has few; what is counted over hours and days has fewer still.
constexpr seconds steps_every(5);
constexpr minutes hours_every(1), days_every(10);

constexpr minutes five_minutes(5), an_hour(60), a_day(1440);

}  // namespace

void Rolling::stored(std::uint64_t detections) {
    waiting_ += detections;
    if (detections == 0) return;
    if (!unsettled_) due_ = Clock::now() + steps_every;
    unsettled_ = true;
}

milliseconds Rolling::due_in() const {
    if (!unsettled_) return std::chrono::hours(1);
    return std::max(milliseconds(0), std::chrono::ceil<milliseconds>(due_ - Clock::now()));
}

minutes Rolling::occupancy() const {
    const auto present = Clock::now();
    return present >= days_due_ ? a_day : present >= hours_due_ ? an_hour : five_minutes;
}

void Rolling::step(Store &store, bool idle) {
    if (waiting_ >= much) {
        take_step(store, minutes(0));
    } else if (idle && due_in() == milliseconds(0)) {
        const auto longest = occupancy();
        if (take_step(store, longest)) return;
        due_ = Clock::now() + steps_every;
        if (longest >= an_hour) hours_due_ = Clock::now() + hours_every;
        if (longest >= a_day) days_due_ = Clock::now() + days_every;
        unsettled_ = unsettled_ && longest < a_day;
    }
}

// True: there is more to do.
bool Rolling::take_step(Store &store, minutes occupancy) {
    try {
        const auto done = store.roll_up(occupancy);
        waiting_ = 0;
        if (done.busy) unsettled_ = true;
        return done.more;
    } catch (const StoreTrouble &trouble) {
        waiting_ = 0;
        if (trouble_said_.due())
            log_warning(std::string(trouble.what()) + "; the rollups come later, nothing is lost");
        return false;
    }
}

void Rolling::catch_up(Store &store, const std::function<bool()> &go_on) {
    while (go_on() && take_step(store, a_day)) {
    }
}

}  // namespace ble
