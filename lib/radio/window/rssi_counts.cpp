#include "radio/window/rssi_counts.hpp"

#include <algorithm>

namespace ble {

void RssiCounts::add(std::int8_t rssi_dbm) {
    const auto place =
        std::lower_bound(counts_.begin(), counts_.end(), rssi_dbm,
                         [](const auto &count, std::int8_t value) { return count.first < value; });
    ++total_;
    if (place != counts_.end() && place->first == rssi_dbm) {
        ++place->second;
    } else {
        counts_.insert(place, {rssi_dbm, 1});
    }
}

int RssiCounts::median() const {
    const int sum = at((total_ - 1) / 2) + at(total_ / 2);
    return sum >= 0 ? sum / 2 : -((1 - sum) / 2);
}

int RssiCounts::at(std::uint64_t rank) const {
    for (const auto &[value, count] : counts_) {
        if (rank < count) return value;
        rank -= count;
    }
    return counts_.back().first;
}

}  // namespace ble
