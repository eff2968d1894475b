#include "radio/window.hpp"

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
    start_ = std::chrono::floor<milliseconds>(now);
    end_ = start_ + options_.window;
    latest_ = now;
    begun_ = true;
}

void WindowReducer::advance(Time now) {
    const auto tolerance = std::max(options_.window, milliseconds(10'000));
    if (!begun_) return begin(now);
    if (now < latest_ - tolerance || now > latest_ + longest_silence) {
        log_info("the capture's clock jumps from " + format_ms(latest_) + " to " + format_ms(now) +
                 ": windows begin anew there");
        ++restarts_;
        finish();
        return begin(now);
    }
    latest_ = std::max(latest_, now);
    while (now >= end() && !satisfied()) {
        const Time cut = end();
        close(std::chrono::floor<milliseconds>(cut - start_));
        start_ = cut;
        if (cut < end_) continue;
        start_ += options_.pause;
        end_ = start_ + options_.window;
    }
}

std::optional<Time> WindowReducer::due() const {
    if (!begun_) return std::nullopt;
    return end();
}

void WindowReducer::add(const Report &report) {
    const bool weak = report.rssi_dbm > 20 || report.rssi_dbm < options_.min_rssi_dbm;
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
        if (report.rssi_dbm <= 20) advertiser.rssi.add(report.rssi_dbm);  // above: not available
        if (options_.profile.data() || options_.filter.data()) read_advertisement(report.data, scratch_);
        if (options_.profile.data()) advertiser.profile.add(report, scratch_);
        if (options_.filter.any()) options_.filter.judge(report, scratch_, advertiser.verdict);
        if (advertisers_.size() >= most_advertisers) close(std::chrono::floor<milliseconds>(end() - start_));
    }
}

void WindowReducer::finish() {
    const bool paused = latest_ < start_;
    const bool just_begun = emitted_ > 0 && latest_ <= start_ && advertisers_.empty();
    if (!begun_ || paused || just_begun || satisfied()) return;
    const auto heard_for = std::chrono::ceil<milliseconds>(latest_ - start_);
    close(std::clamp(heard_for, milliseconds(1), std::chrono::floor<milliseconds>(end() - start_)));
    begun_ = false;
}

Detection WindowReducer::detect(const Advertiser &advertiser) {
    Detection detection;
    const auto *identity = advertiser.identity;
    detection.device_hash = identity ? hasher_.hash(*identity) : hasher_.hash(advertiser.address);
    detection.rssi_dbm = advertiser.rssi.median();
    detection.zone = detection.rssi_dbm >= options_.near_dbm     ? Zone::near
                     : detection.rssi_dbm >= options_.medium_dbm ? Zone::medium
                                                                 : Zone::far;
    detection.timestamp = advertiser.last_heard;
    detection.count = advertiser.count;
    if (options_.profile.any())
        detection.details = advertiser.profile.print(options_.profile, advertiser.address, advertiser.rssi,
                                                     companies_, identity);
    return detection;
}

// One batch, or several when a line would become too long.
void WindowReducer::close(milliseconds length) {
    hasher_.enter(start_);
    constexpr std::size_t head = 16'000, bare_detection = 200;
    std::vector<Detection> detections;
    std::size_t size = head;
    for (const auto &advertiser : advertisers_) {
        if (const auto reason = options_.filter.hidden_by(advertiser.verdict)) {
            left_out_.hidden[*reason] += advertiser.count;
            continue;
        }
        if (advertiser.rssi.empty()) {
            left_out_.without_rssi += advertiser.count;
            continue;
        }
        auto detection = detect(advertiser);
        const std::size_t more = bare_detection + detection.details.size();
        if (size + more > max_line) {
            emit(std::exchange(detections, {}), length);
            size = head;
        }
        size += more;
        detections.push_back(std::move(detection));
    }
    advertisers_.clear();
    places_.clear();
    emit(std::move(detections), length);
}

void WindowReducer::emit(std::vector<Detection> detections, milliseconds length) {
    if (satisfied()) return;
    Batch batch;
    batch.timestamp = start_ + length;
    batch.window_ms = static_cast<std::uint32_t>(length.count());
    batch.interval_ms = static_cast<std::uint32_t>((options_.window + options_.pause).count());
    batch.hash_id = hasher_.id();
    batch.detections = std::move(detections);
    ++emitted_;
    emit_(batch);
}

}  // namespace ble
