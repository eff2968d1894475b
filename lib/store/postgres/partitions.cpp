#include "store/postgres/partitions.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/log.hpp"
#include "store/milliseconds.hpp"
#include "store/postgres/locks.hpp"

namespace ble {
namespace {

// A sender chooses its times: it cannot have more tables made than these days hold.
constexpr std::int64_t most_days_ago = 366, most_days_ahead = 2;
// Above that a day, each has a table of its own.
constexpr std::int64_t much_a_day = 200 << 20;
constexpr std::int64_t look_ahead_every_ms = 600'000;
constexpr std::chrono::minutes after_trouble(1);
// Storing waits as long. A table that is late can be later still.
constexpr std::chrono::milliseconds wait_when_late{100}, wait_when_ahead{2'000};

std::int64_t day_of(std::int64_t time) {
    return time >= 0 ? time / day_ms : -1;
}

constexpr char list[] =
    "SELECT child.relname, pg_get_expr(child.relpartbound, child.oid), pg_total_relation_size(child.oid)"
    " FROM pg_inherits JOIN pg_class AS child ON child.oid = inhrelid"
    " WHERE inhparent = 'blepipe.detections'::regclass AND child.relname <> 'detections_other'";

// "FOR VALUES FROM ('1') TO ('2')": the numbers between quotes.
std::optional<std::pair<std::int64_t, std::int64_t>> bounds_of(std::string_view text) {
    std::int64_t numbers[2];
    for (auto &number : numbers) {
        const auto begin = text.find('\''), end = text.find('\'', begin + 1);
        if (begin == std::string_view::npos || end == std::string_view::npos) return {};
        if (std::from_chars(text.data() + begin + 1, text.data() + end, number).ec != std::errc()) return {};
        text.remove_prefix(end + 1);
    }
    return std::pair(numbers[0], numbers[1]);
}

}  // namespace

void Partitions::forget() {
    known_.clear();
    noted_.clear();
    late_.clear();
    not_before_ = {};
    read_ = false;
    looked_ahead_at_ = 0;
}

bool Partitions::covered(std::int64_t time) const {
    const auto next = known_.upper_bound(time);
    return next != known_.begin() && time < std::prev(next)->second.to;
}

const Partition *Partitions::of(std::int64_t oldest, std::int64_t newest) const {
    const auto next = known_.upper_bound(oldest);
    if (next == known_.begin()) return nullptr;
    const Partition &found = std::prev(next)->second;
    return newest < found.to ? &found : nullptr;
}

void Partitions::note(std::int64_t oldest, std::int64_t newest) {
    const auto present = day_of(present_ms_);
    for (const auto time : {oldest, newest}) {
        const auto day = day_of(time);
        if (!covered(time) && day >= present - most_days_ago && day <= present + most_days_ahead)
            noted_.insert(day);
    }
}

void Partitions::keep_up() noexcept {
    const bool ahead_is_due =
        present_ms_ - looked_ahead_at_ >= look_ahead_every_ms || present_ms_ < looked_ahead_at_;
    late_.merge(noted_);
    noted_.clear();
    if ((late_.empty() && !ahead_is_due) || std::chrono::steady_clock::now() < not_before_) return;
    try {
        if (!read_) all();
        for (const auto ahead : {0, 1})
            if (const auto time = (day_of(present_ms_) + ahead) * day_ms; !covered(time))
                make(time, wait_when_ahead);
        looked_ahead_at_ = present_ms_;
        for (; !late_.empty(); late_.erase(late_.begin()))
            if (const auto time = *late_.begin() * day_ms; !covered(time)) make(time, wait_when_late);
    } catch (const Error &error) {
        connection_.rollback();
        read_ = false;
        not_before_ = std::chrono::steady_clock::now() + after_trouble;
        if (said_.due())
            log_warning(std::string("a table of detections is made later, and they are in detections_other "
                                    "until then: ") +
                        error.what());
    }
}

std::vector<Partition> Partitions::all() {
    const Answer answer = connection_.execute(list);
    known_.clear();
    for (int row = 0; row < answer.rows(); ++row)
        if (const auto bounds = bounds_of(answer.text(row, 1)))
            known_[bounds->first] = {bounds->first, bounds->second, std::string(answer.text(row, 0)),
                                     answer.integer(row, 2)};
    read_ = true;
    std::vector<Partition> out;
    for (const auto &[from, partition] : known_) out.push_back(partition);
    return out;
}

// As the last one that is full was filled.
std::int64_t Partitions::days_each() const {
    for (auto one = known_.rbegin(); one != known_.rend(); ++one) {
        const auto &[from, partition] = *one;
        if (partition.to > present_ms_) continue;
        return partition.bytes * day_ms / (partition.to - from) > much_a_day ? 1 : 7;
    }
    return 7;
}

void Partitions::make(std::int64_t time, std::chrono::milliseconds wait) {
    connection_.execute(connection_.begin_briefly(wait) + change_partitions);
    all();
    if (!covered(time)) {
        // Weeks begin on Monday; 1970 began on a Thursday.
        const auto days = days_each(), day = day_of(time);
        auto from = (days == 7 ? (day + 3) / 7 * 7 - 3 : day) * day_ms, to = from + days * day_ms;
        const auto next = known_.upper_bound(time);
        if (next != known_.end()) to = std::min(to, next->first);
        if (next != known_.begin()) from = std::max(from, std::prev(next)->second.to);
        const std::string date = format_ms(from_milliseconds(std::max<std::int64_t>(from, 0))).substr(0, 10);
        std::string table = "detections_" + date.substr(0, 4) + date.substr(5, 2) + date.substr(8, 2);
        const auto begin = std::to_string(from), end = std::to_string(to);
        connection_.execute(
            "LOCK TABLE detections_other IN ACCESS EXCLUSIVE MODE;"
            "CREATE TABLE " +
            table +
            " (LIKE detections);"
            "WITH moved AS (DELETE FROM detections_other WHERE timestamp >= " +
            begin + " AND timestamp < " + end + " RETURNING *) INSERT INTO " + table +
            " SELECT * FROM moved;"
            "ALTER TABLE detections ATTACH PARTITION " +
            table + " FOR VALUES FROM (" + begin + ") TO (" + end + ")");
        known_[from] = {from, to, std::move(table), 0};
    }
    connection_.execute("COMMIT");
}

}  // namespace ble
