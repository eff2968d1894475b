#include "store/sqlite/crowd.hpp"

#include <algorithm>
#include <set>
#include <string_view>
#include <tuple>
#include <utility>

namespace ble {

void SqliteCrowd::add(const Statement &heard) {
    const auto first = heard.integer(0), last = heard.integer(1), id = heard.integer(2);
    const auto [known, is_new] = known_.try_emplace(id, static_cast<std::uint32_t>(all_.size()));
    if (is_new) all_.push_back({id, first, last});
    Advertiser &advertiser = all_[known->second];
    advertiser.first = std::min(advertiser.first, first);
    advertiser.last = std::max(advertiser.last, last);
    advertiser.rssi = std::max(advertiser.rssi, heard.integer(5));
    advertiser.detections += heard.integer(7);
    Seat &seat = seat_of(advertiser, heard.integer(3), heard.integer(4));
    seat.rssi = std::max(seat.rssi, heard.integer(5));
    seat.zone = std::min(seat.zone, heard.integer(6));
    seat.last = std::max(seat.last, last);
}

SqliteCrowd::Seat &SqliteCrowd::seat_of(Advertiser &advertiser, std::int64_t device, std::int64_t place) {
    for (auto at = advertiser.seats; at != none; at = seats_[at].next)
        if (seats_[at].device == device && seats_[at].place == place) return seats_[at];
    seats_.push_back({device, place, INT64_MIN, INT64_MAX, INT64_MIN, advertiser.seats});
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

// By their order; of those that are alike, by their hashes.
template <class Order>
std::vector<std::pair<SqliteCrowd::Advertiser, std::string>> SqliteCrowd::first_ones(std::size_t most,
                                                                                     Order order) {
    std::vector<Advertiser> found = std::exchange(all_, {});
    const auto before = [&](const auto &a, const auto &b) { return order(a) < order(b); };
    if (found.size() > most && most > 0) {
        const auto last = found.begin() + static_cast<std::ptrdiff_t>(most) - 1;
        std::nth_element(found.begin(), last, found.end(), before);
        const auto bound = order(*last);
        std::erase_if(found, [&](const Advertiser &one) { return order(one) > bound; });
    }
    std::vector<std::pair<Advertiser, std::string>> named;
    named.reserve(found.size());
    for (const auto &one : found) named.emplace_back(one, hash_of(one.id));
    std::sort(named.begin(), named.end(), [&](const auto &a, const auto &b) {
        return std::pair(order(a.first), std::string_view(a.second)) <
               std::pair(order(b.first), std::string_view(b.second));
    });
    if (named.size() > most) named.resize(most);
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
    for (const auto &[one, hash] :
         first_ones(most, [](const Advertiser &each) { return -each.detections; })) {
        rows.push_back({hash, one.detections, pis_of(one), one.rssi, one.first, one.last});
    }
    return rows;
}

}  // namespace ble
