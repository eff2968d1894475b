#include "radio/window/reducer.hpp"

#include <algorithm>
#include <utility>

#include "base/limits.hpp"
#include "base/log.hpp"

namespace ble {

using std::chrono::milliseconds;

WindowReducer::WindowReducer(const WindowOptions &options, AddressHasher &hasher, Emit emit)
    : options_(options), hasher_(hasher), emit_(std::move(emit)) {
    left_out_.hidden.resize(options_.filter.reasons().size());
}

void WindowReducer::begin(Time now) {
    change();
    start_ = std::chrono::floor<milliseconds>(now);
    end_ = start_ + options_.window;
    rests_.begin(start_);
    latest_ = now;
    begun_ = true;
}

void WindowReducer::advance(Time now) {
    const auto tolerance = std::max(options_.window, milliseconds(10'000));
    if (!begun_) return begin(now);
    if (now < latest_ - tolerance || now > latest_ + options_.longest_silence) {
        log_info("the clock jumps from " + format_ms(latest_) + " to " + format_ms(now) +
                 ": windows begin anew there");
        ++restarts_;
        finish();
        return begin(now);
    }
    if (latest_ < start_) change();
    latest_ = std::max(latest_, now);
    while (now >= end() && !satisfied()) {
        const Time cut = end();
        rested_ += rests_.until(cut);
        close(std::chrono::floor<milliseconds>(cut - start_));
        start_ = cut;
        if (cut == end_) {
            start_ += options_.pause;
            end_ = start_ + options_.window;
        }
        rests_.begin(start_);
        change();
    }
}

void WindowReducer::change() {
    if (const auto change = std::exchange(change_, {})) change();
}

std::optional<Time> WindowReducer::due() const {
    if (!begun_) return std::nullopt;
    return end();
}

void WindowReducer::add(const Report &report) {
    const bool weak = report.rssi_dbm == Report::not_available || report.rssi_dbm < options_.min_rssi_dbm;
    if (options_.min_rssi_dbm > -127 && weak) {
        ++left_out_.weak;
    } else if (latest_ < start_) {
        ++left_out_.paused;
    } else if (report.address.type == AddressType::anonymous) {
        ++left_out_.anonymous;
    } else {
        const auto number = report.identity ? report.identity->number : report.address.number();
        const auto [place, is_new] = places_.try_emplace(number, advertisers_.size());
        if (is_new) advertisers_.emplace_back();
        auto &advertiser = advertisers_[place->second];
        advertiser.address = report.address;
        advertiser.identity = report.identity;
        ++advertiser.count;
        // A clock that steps back a little does not put a detection outside its window.
        const Time heard = std::clamp<Time>(report.timestamp, start_, end() - milliseconds(1));
        advertiser.last_heard = std::max(advertiser.last_heard, heard);
        if (report.rssi_dbm != Report::not_available) advertiser.rssi.add(report.rssi_dbm);
        if (options_.profile.data() || options_.filter.data()) read_advertisement(report.data, scratch_);
        if (options_.profile.data()) advertiser.profile.add(report, scratch_);
        if (options_.filter.any()) options_.filter.judge(report, scratch_, advertiser.verdict);
        if (advertisers_.size() >= most_advertisers) close(std::chrono::floor<milliseconds>(end() - start_));
    }
}

void WindowReducer::finish() {
    const bool paused = latest_ < start_;
    const bool just_begun = emitted_ > 0 && latest_ <= start_ && advertisers_.empty();
    if (!std::exchange(begun_, false) || paused || just_begun || satisfied()) return;
    rested_ += rests_.until(latest_);
    const auto heard_for = std::chrono::ceil<milliseconds>(latest_ - start_);
    close(std::clamp(heard_for, milliseconds(1), std::chrono::floor<milliseconds>(end() - start_)));
}

Zone WindowReducer::zone(int rssi_dbm) const {
    if (rssi_dbm >= options_.near_dbm) return Zone::near;
    return rssi_dbm >= options_.medium_dbm ? Zone::medium : Zone::far;
}

Detection WindowReducer::detection(const Advertiser &advertiser) {
    Detection detection;
    const auto *identity = advertiser.identity;
    detection.device_hash = DeviceHash(identity ? hasher_.hash(*identity) : hasher_.hash(advertiser.address));
    detection.rssi_dbm = advertiser.rssi.median();
    detection.zone = zone(detection.rssi_dbm);
    detection.timestamp = advertiser.last_heard;
    detection.count = advertiser.count;
    if (options_.profile.any())
        detection.details = advertiser.profile.print(options_.profile, advertiser.address, advertiser.rssi,
                                                     companies_, identity);
    return detection;
}

bool WindowReducer::leave_out(const Advertiser &advertiser) {
    if (const auto reason = options_.filter.hidden_by(advertiser.verdict)) {
        left_out_.hidden[*reason] += advertiser.count;
        return true;
    }
    if (advertiser.rssi.empty()) left_out_.without_rssi += advertiser.count;
    return advertiser.rssi.empty();
}

// How much of the window so far, which ends at that length.
milliseconds WindowReducer::listened(milliseconds length) const {
    const auto rested = rests_.until(std::min<Time>(start_ + length, latest_));
    return std::max(std::chrono::floor<milliseconds>(length - rested), milliseconds(0));
}

void WindowReducer::close(milliseconds length) {
    if (advertisers_.empty() && listened(length) == milliseconds(0)) return;
    if (options_.counts) {
        count(length);
    } else {
        detect(length);
    }
    advertisers_.clear();
    places_.clear();
}

void WindowReducer::count(milliseconds length) {
    Batch batch;
    auto &occupancy = batch.occupancy.emplace();
    for (const auto &advertiser : advertisers_) {
        if (leave_out(advertiser)) continue;
        const auto where = zone(advertiser.rssi.median());
        ++(where == Zone::near ? occupancy.near : where == Zone::medium ? occupancy.medium : occupancy.far);
    }
    emit(std::move(batch), length);
}

// One batch, or several when a line would become too long.
void WindowReducer::detect(milliseconds length) {
    constexpr std::size_t head = 16'000, bare_detection = 200;
    hasher_.enter(start_);
    Batch batch;
    batch.hash_id = hasher_.id();
    std::size_t size = head;
    for (const auto &advertiser : advertisers_) {
        if (leave_out(advertiser)) continue;
        auto found = detection(advertiser);
        const std::size_t more = bare_detection + found.details.size();
        if (size + more > max_line) {
            Batch next;
            next.hash_id = batch.hash_id;
            emit(std::exchange(batch, std::move(next)), length);
            size = head;
        }
        size += more;
        batch.detections.push_back(std::move(found));
    }
    emit(std::move(batch), length);
}

void WindowReducer::emit(Batch batch, milliseconds length) {
    if (satisfied()) return;
    batch.timestamp = start_ + length;
    batch.window_ms = static_cast<std::uint32_t>(std::max(listened(length), milliseconds(1)).count());
    batch.interval_ms = static_cast<std::uint32_t>((options_.window + options_.pause).count());
    ++emitted_;
    emit_(batch);
}

}  // namespace ble
