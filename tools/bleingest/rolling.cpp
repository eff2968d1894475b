#include "bleingest/rolling.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "base/database_error.hpp"

namespace ble {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

// Each step is a commit, so a resting input has few; what is counted over hours and days has fewer still.
constexpr seconds steps_every(5);
constexpr minutes hours_every(10);

constexpr minutes five_minutes(5), a_day(1440);

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
    return Clock::now() >= hours_due_ ? a_day : five_minutes;
}

void Rolling::step(Store &store, bool idle) {
    if (std::cmp_greater_equal(waiting_, merged_a_step)) {
        take_step(store, minutes(0));
    } else if (idle && due_in() == milliseconds(0)) {
        const auto longest = occupancy();
        const auto outcome = take_step(store, longest);
        if (outcome == Outcome::more) return;
        due_ = Clock::now() + steps_every;
        if (outcome == Outcome::done) settle(longest);
    }
}

void Rolling::settle(minutes longest) {
    if (longest >= a_day) hours_due_ = Clock::now() + hours_every;
    unsettled_ = longest < a_day;
}

Rolling::Outcome Rolling::take_step(Store &store, minutes occupancy) {
    waiting_ = 0;
    unsettled_ = true;
    std::string trouble;
    try {
        const auto done = store.roll_up(occupancy);
        tell(done);
        return done.busy ? Outcome::failed : done.more ? Outcome::more : Outcome::done;
    } catch (const StoreTrouble &error) {
        trouble = error.what();
    } catch (const DatabaseError &error) {
        trouble = error.what();
    }
    if (trouble_said_.due()) log_warning(trouble + "; the rollups come later, nothing is lost");
    return Outcome::failed;
}

void Rolling::tell(const RolledUp &done) {
    if (done.left > 0 && progress_said_.due())
        log_info(
            "about " + std::to_string(done.left) +
            " batches of an earlier version are yet to go into the rollups; questions about their time take "
            "longer until then");
    if (done.left == 0 && done.batches > 0 && std::exchange(of_earlier_version_, false))
        log_info("all batches of an earlier version are in the rollups");
    of_earlier_version_ = of_earlier_version_ || done.left > 0;
}

void Rolling::catch_up(Store &store, const std::function<bool()> &go_on) {
    while (go_on() && take_step(store, a_day) == Outcome::more) {
    }
}

}  // namespace ble
