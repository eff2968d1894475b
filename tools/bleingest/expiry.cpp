#include "bleingest/expiry.hpp"

#include <algorithm>
#include <string>

#include "base/timestamp.hpp"

namespace ble {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

std::string in_words(seconds time) {
    if (time >= hours(48)) return std::to_string(time / hours(24)) + " days";
    if (time >= hours(2)) return std::to_string(time / hours(1)) + " hours";
    if (time >= minutes(2)) return std::to_string(time / minutes(1)) + " minutes";
    return std::to_string(time.count()) + " s";
}

}  // namespace

Expiry::Expiry(const Keep &keep, Counters &counters) : keep_(keep), counters_(counters) {
    if (keep_.batches.count() > 0) counters_.expired = 0;
}

Expiry::~Expiry() {
    tell();
}

milliseconds Expiry::due_in() const {
    if (keep_.batches.count() == 0) return hours(1);
    return std::max(milliseconds(0), std::chrono::ceil<milliseconds>(due_ - Clock::now()));
}

void Expiry::step(Store &store) {
    if (due_in() > milliseconds(0)) return;
    due_ = Clock::now() + minutes(1);
    try {
        const Expired expired = store.retain(keep_, read_clocks());
        note(expired);
        if (expired.more) {
            due_ = Clock::now();
        } else if (untold_.batches > 0 && told_.due()) {
            tell();
        }
    } catch (const StoreTrouble &trouble) {
        if (trouble_said_.due()) log_warning(std::string(trouble.what()) + "; old batches are deleted later");
    }
}

void Expiry::note(const Expired &expired) {
    if (expired.step)
        log_warning("the clock was set from " + format_ms(expired.step->from) + " to " +
                    format_ms(expired.step->to) + " while " + in_words(expired.step->passed) +
                    " passed: --retain counts the time that passed");
    if (expired.held_back && !held_back_)
        log_warning(
            "--retain waits: by the clock (" + format_ms(now()) + ") the batches received at " +
            format_ms(expired.held_back->received) + " are too old, but this machine has run for only " +
            in_words(expired.held_back->here) +
            " since then. It keeps them until it has run long enough. If the machine was off or the database "
            "comes from another machine, and both times are right, start once with --clock-is-right");
    if (!expired.devices.empty())
        log_info("--retain: deleted " + std::to_string(expired.devices.size()) +
                 " Pis that have sent nothing for long: " + printable(expired.devices.front()) +
                 (expired.devices.size() > 1 ? ", …" : ""));
    if (!expired.more) held_back_ = expired.held_back.has_value();
    if (expired.batches == 0) return;
    counters_.expired += expired.batches;
    untold_.first = untold_.batches == 0 ? expired.first : std::min(untold_.first, expired.first);
    untold_.last = untold_.batches == 0 ? expired.last : std::max(untold_.last, expired.last);
    untold_.batches += expired.batches;
}

void Expiry::tell() {
    if (untold_.batches == 0) return;
    log_info("--retain: deleted " + std::to_string(untold_.batches) + " batches, received from " +
             format_ms(untold_.first) + " to " + format_ms(untold_.last));
    untold_ = {};
}

}  // namespace ble
