#include "radio/hci/fragment_joiner.hpp"

#include <algorithm>

namespace ble {

namespace {

constexpr std::uint16_t scan_response = 0x08, legacy_pdu = 0x10, status_mask = 0x60, more_to_come = 0x20,
                        truncated_status = 0x40;

bool is_part(const Report &report) {
    return report.extended && !(report.event_type & legacy_pdu);
}

bool same_set(const Report &a, const Report &b) {
    return a.advertising_set == b.advertising_set &&
           (a.event_type & scan_response) == (b.event_type & scan_response);
}

bool same_advertiser(const Report &a, const Report &b) {
    return a.address.number() == b.address.number() && a.address.type == b.address.type && same_set(a, b);
}

bool without_address(const Report &report) {
    const auto &bytes = report.address.bytes;
    return report.address.type == AddressType::anonymous ||
           std::all_of(bytes.begin(), bytes.end(), [](auto byte) { return byte == 0; });
}

}  // namespace

void FragmentJoiner::add(const Report &report, std::uint64_t source) {
    if (!is_part(report)) return sink_(report);
    advance(report.timestamp);
    const bool more = (report.event_type & status_mask) == more_to_come;
    auto open = find(report, source);
    const auto begins_anew = [&] {
        return more && open->data.size() == open->first_part && !report.data.empty() &&
               std::equal(report.data.begin(), report.data.end(), open->data.begin(), open->data.end());
    };
    if (open != open_.end() && begins_anew()) {
        hand_on(open, true);
        open = open_.end();
    }
    if (open != open_.end()) {
        append(*open, report);
        if (!more) hand_on(open, (report.event_type & status_mask) == truncated_status);
        return;
    }
    const bool tail = forget_given_up(report, source);
    if (more) return hold(report, source);
    if (!tail) return sink_(report);
    Report cut = report;
    cut.event_type = static_cast<std::uint16_t>((cut.event_type & ~status_mask) | truncated_status);
    sink_(cut);
}

void FragmentJoiner::advance(Time now) {
    // A clock that steps back is no reason to give up what came just before.
    const auto over = [&](const Open &open) {
        return now > open.first + patience || now > open.report.timestamp + longest_pause ||
               now < open.first - patience;
    };
    for (auto open = open_.begin(); open != open_.end();) {
        const auto next = std::next(open);
        if (over(*open)) give_up(open, now);
        open = next;
    }
    given_up_.remove_if(
        [&](const GivenUp &gone) { return now > gone.when + patience || now < gone.when - patience; });
}

std::optional<Time> FragmentJoiner::earliest() const {
    std::optional<Time> earliest;
    for (const auto &open : open_)
        earliest = std::min(earliest.value_or(open.report.timestamp), open.report.timestamp);
    return earliest;
}

void FragmentJoiner::finish() {
    while (!open_.empty()) hand_on(open_.begin(), true);
    given_up_.clear();
}

FragmentJoiner::Place FragmentJoiner::find(const Report &report, std::uint64_t source) {
    const auto exact = std::find_if(open_.begin(), open_.end(), [&](const Open &open) {
        return open.source == source && same_advertiser(open.report, report);
    });
    if (exact != open_.end() || !without_address(report)) return exact;
    auto best = open_.end();
    for (auto open = open_.begin(); open != open_.end(); ++open) {
        if (open->source != source || !same_set(open->report, report)) continue;
        if (best == open_.end() || open->report.timestamp >= best->report.timestamp) best = open;
    }
    return best;
}

void FragmentJoiner::hold(const Report &report, std::uint64_t source) {
    if (open_.size() == most_open) give_up(open_.begin(), report.timestamp);
    open_.push_back(Open{source, report, report.timestamp, {}, 0, false});
    append(open_.back(), report);
    open_.back().first_part = open_.back().data.size();
}

void FragmentJoiner::append(Open &open, const Report &report) {
    const std::size_t room = longest_data - open.data.size();
    const auto fits = report.data.first(std::min(room, report.data.size()));
    open.data.insert(open.data.end(), fits.begin(), fits.end());
    if (fits.size() < report.data.size()) open.overlong = true;
    open.report.timestamp = report.timestamp;
    if (report.rssi_dbm != Report::not_available) open.report.rssi_dbm = report.rssi_dbm;
    if (report.tx_power_dbm != Report::not_available) open.report.tx_power_dbm = report.tx_power_dbm;
}

void FragmentJoiner::hand_on(Place open, bool truncated) {
    const bool cut = truncated || open->overlong;
    open->report.event_type =
        static_cast<std::uint16_t>((open->report.event_type & ~status_mask) | (cut ? truncated_status : 0));
    open->report.data = open->data;
    sink_(open->report);
    open_.erase(open);
}

void FragmentJoiner::give_up(Place open, Time now) {
    if (given_up_.size() == most_given_up) given_up_.pop_front();
    given_up_.push_back({open->source, open->report, now});
    given_up_.back().report.data = {};
    hand_on(open, true);
}

// Was the beginning of this advertiser's data given up not long ago?
bool FragmentJoiner::forget_given_up(const Report &report, std::uint64_t source) {
    return given_up_.remove_if([&](const GivenUp &gone) {
        return gone.source == source && same_advertiser(gone.report, report);
    }) > 0;
}

}  // namespace ble
