#include "store/sqlite/crowd.hpp"

#include <algorithm>
#include <set>
#include <tuple>
#include <utility>

namespace ble {

void SqliteCrowd::add(const Statement &heard) {
    const auto last = heard.integer(1);
    const auto rssi = static_cast<std::int16_t>(heard.integer(5));
    Advertiser &advertiser = advertiser_of(heard.integer(2));
    advertiser.first = std::min(advertiser.first, heard.integer(0));
    advertiser.last = std::max(advertiser.last, last);
    advertiser.rssi = std::max(advertiser.rssi, rssi);
    advertiser.detections += heard.integer(7);
    Seat &seat = seat_of(advertiser, static_cast<std::uint32_t>(heard.integer(3)),
                         static_cast<std::uint32_t>(heard.integer(4)));
    seat.rssi = std::max(seat.rssi, rssi);
    seat.zone = std::min(seat.zone, static_cast<std::uint8_t>(heard.integer(6)));
    seat.last = std::max(seat.last, last);
}

SqliteCrowd::Advertiser &SqliteCrowd::advertiser_of(std::int64_t id) {
    const auto slot = slot_of(id);
    if (slots_[slot] != none) return all_[slots_[slot]];
    slots_[slot] = static_cast<std::uint32_t>(all_.size());
    all_.push_back({id, INT64_MAX, INT64_MIN});
    if (all_.size() * 2 > slots_.size()) make_room();
    return all_.back();
}

// That of the advertiser, or the one where it belongs. Ids follow each other, so they are spread by a product (Fibonacci hashing).
std::size_t SqliteCrowd::slot_of(std::int64_t id) const {
    const auto mask = slots_.size() - 1;
    auto slot =
        static_cast<std::size_t>((static_cast<std::uint64_t>(id) * 0x9E3779B97F4A7C15u) >> 32u) & mask;
    while (slots_[slot] != none && all_[slots_[slot]].id != id) slot = (slot + 1) & mask;
    return slot;
}

void SqliteCrowd::make_room() {
    slots_.assign(slots_.size() * 2, none);
    for (std::size_t i = 0; i < all_.size(); ++i) slots_[slot_of(all_[i].id)] = static_cast<std::uint32_t>(i);
}

SqliteCrowd::Seat &SqliteCrowd::seat_of(Advertiser &advertiser, std::uint32_t device, std::uint32_t place) {
    for (auto at = advertiser.seats; at != none; at = seats_[at].next)
        if (seats_[at].device == device && seats_[at].place == place) return seats_[at];
    seats_.push_back({INT64_MIN, device, place, advertiser.seats});
    advertiser.seats = static_cast<std::uint32_t>(seats_.size() - 1);
    return seats_.back();
}

// The strongest, of those the latest.
const SqliteCrowd::Seat &SqliteCrowd::best_of(const Advertiser &advertiser) {
    auto best = advertiser.seats;
    for (auto at = seats_[best].next; at != none; at = seats_[at].next) {
        const Seat &one = seats_[at], &other = seats_[best];
        const auto order = std::tie(one.rssi, one.last) <=> std::tie(other.rssi, other.last);
        if (order > 0 || (order == 0 && device_id(one.device) < device_id(other.device))) best = at;
    }
    return seats_[best];
}

std::int64_t SqliteCrowd::pis_of(const Advertiser &advertiser) const {
    std::set<std::int64_t> pis;
    for (auto at = advertiser.seats; at != none; at = seats_[at].next) pis.insert(seats_[at].device);
    return static_cast<std::int64_t>(pis.size());
}

// By their order, and those that are alike by their hashes, which are looked up of as few as can be.
template <class Order>
std::vector<SqliteCrowd::Named> SqliteCrowd::first_ones(std::size_t most, Order order) {
    auto found = std::exchange(all_, {});
    if (most < found.size()) {
        const auto last = found.begin() + static_cast<std::ptrdiff_t>(most) - 1;
        std::nth_element(found.begin(), last, found.end(),
                         [&](const auto &a, const auto &b) { return order(a) < order(b); });
        const auto bound = order(*last);
        std::erase_if(found, [&](const auto &one) { return order(one) > bound; });
    }
    std::vector<Named> named;
    named.reserve(found.size());
    for (const auto &one : found) named.push_back({one, hash_of(one.id)});
    std::sort(named.begin(), named.end(), [&](const auto &a, const auto &b) {
        return std::pair(order(a.advertiser), std::string_view(a.hash)) <
               std::pair(order(b.advertiser), std::string_view(b.hash));
    });
    if (named.size() > most) named.erase(named.begin() + static_cast<std::ptrdiff_t>(most), named.end());
    return named;
}

const std::string &SqliteCrowd::device_id(std::int64_t device) {
    if (device_ids_.empty()) {
        Statement all(database_, "SELECT id, device_id FROM devices");
        while (all.step()) device_ids_.emplace(all.integer(0), all.text(1));
    }
    return device_ids_[device];
}

std::string SqliteCrowd::hash_of(std::int64_t advertiser) {
    hash_.bind(1, advertiser);
    std::string hash = hash_.step() ? std::string(hash_.text(0)) : std::string();
    hash_.reset();
    return hash;
}

SqliteCrowd::Row SqliteCrowd::spot_of(const Seat &seat) {
    Row row{device_id(seat.device), {}, {}};
    Statement place(database_, "SELECT name, location FROM places WHERE id = ?");
    place.bind(1, seat.place);
    if (place.step())
        for (int column = 0; column < 2; ++column)
            if (!place.is_null(column))
                row[static_cast<std::size_t>(column) + 1] = std::string(place.text(column));
    return row;
}

SqliteCrowd::Value SqliteCrowd::details_of(const Advertiser &advertiser) {
    details_.bind(1, advertiser.last).bind(2, advertiser.id);
    Value details;
    if (details_.step()) details = std::string(details_.text(0));
    details_.reset();
    return details;
}

std::vector<SqliteCrowd::Row> SqliteCrowd::presence(std::size_t most, bool details) {
    std::vector<Row> rows;
    for (const auto &[one, hash] : first_ones(most, [](const Advertiser &each) { return -each.rssi; })) {
        const Seat &best = best_of(one);
        Row row = spot_of(best);
        row.insert(row.end(), {hash, best.rssi, best.zone, one.last, pis_of(one), one.detections,
                               details ? details_of(one) : Value()});
        rows.push_back(std::move(row));
    }
    return rows;
}

std::vector<SqliteCrowd::Row> SqliteCrowd::top(std::size_t most) {
    std::vector<Row> rows;
    for (const auto &[one, hash] : first_ones(most, [](const Advertiser &each) { return -each.detections; }))
        rows.push_back({hash, one.detections, pis_of(one), one.rssi, one.first, one.last});
    return rows;
}

}  // namespace ble
