#include "store/sqlite/crowd.hpp"

#include <algorithm>
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

template <class Order>
std::vector<SqliteCrowd::Advertiser> SqliteCrowd::first_ones(std::size_t most, Order order) const {
    std::vector<Advertiser> found = all_;
    const auto before = [&](const Advertiser &a, const Advertiser &b) {
        return std::pair(order(a), a.id) < std::pair(order(b), b.id);
    };
    if (found.size() > most) {
        std::nth_element(found.begin(), found.begin() + static_cast<std::ptrdiff_t>(most), found.end(),
                         before);
        found.resize(most);
    }
    return found;
}

const std::string &SqliteCrowd::device_id(std::int64_t device) {
    if (device_ids_.empty()) {
        Statement all(database_, "SELECT id, device_id FROM devices");
        while (all.step()) device_ids_.emplace(all.integer(0), all.text(1));
    }
    return device_ids_[device];
}

std::string SqliteCrowd::hash_of(std::int64_t advertiser) {
    Statement hash(database_, "SELECT device_hash FROM advertisers WHERE id = ?");
    hash.bind(1, advertiser);
    return hash.step() ? std::string(hash.text(0)) : std::string();
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

std::vector<SqliteCrowd::Row> SqliteCrowd::presence(std::size_t most) {
    std::vector<Row> rows;
    for (const auto &one : first_ones(most, [](const Advertiser &each) { return -each.rssi; })) {
        const Seat &best = best_of(one);
        Row row = spot_of(best);
        std::int64_t pis = 0;
        for (auto at = one.seats; at != none; at = seats_[at].next) ++pis;
        row.insert(row.end(), {hash_of(one.id), best.rssi, best.zone, one.last, pis, one.detections});
        rows.push_back(std::move(row));
    }
    std::sort(rows.begin(), rows.end(), [](const Row &a, const Row &b) {
        return std::pair(std::get<std::int64_t>(b[4]), std::get<std::string>(a[3])) <
               std::pair(std::get<std::int64_t>(a[4]), std::get<std::string>(b[3]));
    });
    return rows;
}

std::vector<SqliteCrowd::Row> SqliteCrowd::top(std::size_t most) {
    std::vector<Row> rows;
    for (const auto &one : first_ones(most, [](const Advertiser &each) { return -each.detections; })) {
        std::vector<std::int64_t> pis;
        for (auto at = one.seats; at != none; at = seats_[at].next) pis.push_back(seats_[at].device);
        std::sort(pis.begin(), pis.end());
        const auto apart = std::unique(pis.begin(), pis.end()) - pis.begin();
        rows.push_back({hash_of(one.id), one.detections, std::int64_t(apart), one.rssi, one.first, one.last});
    }
    std::sort(rows.begin(), rows.end(), [](const Row &a, const Row &b) {
        return std::pair(std::get<std::int64_t>(b[1]), std::get<std::string>(a[0])) <
               std::pair(std::get<std::int64_t>(a[1]), std::get<std::string>(b[0]));
    });
    return rows;
}

}  // namespace ble
