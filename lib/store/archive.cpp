#include "store/archive.hpp"

#include <algorithm>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "base/error.hpp"
#include "base/limits.hpp"
#include "batch/batch.hpp"
#include "batch/sender.hpp"
#include "store/lost_span.hpp"
#include "store/milliseconds.hpp"
#include "store/moment.hpp"
#include "store/told_apart.hpp"

namespace ble {
namespace {

constexpr std::int64_t runs_a_step = 100, gaps_a_line = 500;
// A step is about as much as a transaction of a writer, however large its batches are.
constexpr std::int64_t rows_a_step = 5'000, most_batches_a_step = 200;

std::optional<Time> time_of(const std::optional<std::int64_t> &ms) {
    return ms ? std::optional(from_milliseconds(*ms)) : std::nullopt;
}

std::optional<std::uint32_t> small(const std::optional<std::int64_t> &number) {
    return number
               ? std::optional(static_cast<std::uint32_t>(std::clamp<std::int64_t>(*number, 0, UINT32_MAX)))
               : std::nullopt;
}

ArchivedDevice device_of(ArchivedDeviceRow row) {
    return {std::move(row.device_id),
            std::move(row.name),
            std::move(row.location),
            std::move(row.sender),
            std::move(row.version),
            time_of(row.first_seen),
            time_of(row.last_seen),
            time_of(row.last_conflict),
            from_milliseconds(row.last_received),
            row.is_active != 0,
            std::max<std::int64_t>(row.conflicts, 0)};
}

// The place of a batch is a name and a location of which either may be empty, and both if it had one of these.
void name(Batch &batch, const ArchivedRow &row) {
    if (!row.name && !row.location) return;
    if (row.name && (!row.name->empty() || !row.location || row.location->empty())) batch.name = row.name;
    if (row.location && !row.location->empty()) batch.location = row.location;
}

Batch batch_of(const ArchivedRow &row) {
    Batch batch;
    batch.device_id = row.device_id;
    name(batch, row);
    batch.timestamp = time_of(row.timestamp);
    if (row.run_id && row.seq) batch.position = {*row.run_id, static_cast<std::uint64_t>(*row.seq)};
    batch.hash_id = row.hash_id;
    batch.window_ms = small(row.window_ms);
    batch.interval_ms = small(row.interval_ms);
    if (row.clock) batch.clock_synced = *row.clock != 0;
    if (row.near)
        batch.occupancy =
            Occupancy{*small(row.near), small(row.medium).value_or(0), small(row.far).value_or(0)};
    batch.sender = row.sender;
    return batch;
}

Detection detection_of(const ArchivedDetection &row) {
    Detection detection;
    if (row.device_hash.size() != DeviceHash::length)
        throw Error(ExitCode::io, "the database has an advertiser that is no device_hash: restore a backup");
    detection.device_hash = DeviceHash(row.device_hash);
    detection.rssi_dbm = static_cast<int>(row.rssi);
    detection.zone = static_cast<Zone>(std::clamp<std::int64_t>(row.zone, 0, 2));
    detection.timestamp = from_milliseconds(row.timestamp);
    detection.count = small(row.count);
    detection.details = row.details;
    return detection;
}

// Of all these batches, in the order that they had.
std::vector<Batch> read_whole(ArchiveRows &rows, const std::vector<ArchivedRow> &found) {
    std::vector<Batch> batches;
    std::unordered_map<std::int64_t, std::size_t> places;
    for (const auto &row : found) {
        places.emplace(row.id, batches.size());
        batches.push_back(batch_of(row));
    }
    std::vector<std::vector<std::pair<std::int64_t, Detection>>> detections(batches.size());
    rows.detections(found, [&](const ArchivedDetection &row) {
        if (const auto place = places.find(row.batch); place != places.end())
            detections[place->second].emplace_back(row.n, detection_of(row));
    });
    for (std::size_t i = 0; i < batches.size(); ++i) {
        std::sort(detections[i].begin(), detections[i].end(),
                  [](const auto &a, const auto &b) { return a.first < b.first; });
        std::int64_t last = -1;
        for (auto &[n, detection] : detections[i])
            if (std::exchange(last, n) != n) batches[i].detections.push_back(std::move(detection));
    }
    return batches;
}

}  // namespace

Archive::Archive(std::unique_ptr<ArchiveRows> rows, ArchiveFilter filter)
    : rows_(std::move(rows)), filter_(std::move(filter)) {
    told_apart([&] {
        Moment moment(*rows_);
        std::tie(first_, last_) = rows_->extent();
        moment.end();
    });
}

bool Archive::go_to(const ArchivePlace &place) {
    return told_apart([&] {
        Moment moment(*rows_);
        const auto found = rows_->batches(place.id - 1, 1);
        moment.end();
        const bool same = !found.empty() && found[0].id == place.id &&
                          found[0].received_at == place.received_at && found[0].device_id == place.device_id;
        if (same) at_.batch = place.id;
        return same;
    });
}

double Archive::share() const {
    if (at_.part == Part::end || last_ < first_) return 1;
    const auto done = std::clamp(at_.batch, first_ - 1, last_) - (first_ - 1);
    return static_cast<double>(done) / static_cast<double>(last_ - first_ + 1);
}

std::vector<ArchiveLine> Archive::next() {
    const Position before = at_;
    try {
        return told_apart([&] {
            Moment moment(*rows_);
            auto lines = at_.part == Part::devices ? read_devices()
                         : at_.part == Part::runs  ? read_runs()
                                                   : read_batches();
            moment.end();
            return lines;
        });
    } catch (...) {
        at_ = before;  // also when the last word was not heard: nobody has these lines
        throw;
    }
}

bool Archive::wanted(const std::string &device_id) const {
    const auto &some = filter_.devices;
    return some.empty() || std::find(some.begin(), some.end(), device_id) != some.end();
}

bool Archive::wanted(const ArchivedRow &row) const {
    const Time received = from_milliseconds(row.received_at);
    return wanted(row.device_id) && (!filter_.since || received >= *filter_.since) &&
           (!filter_.until || received < *filter_.until);
}

std::vector<ArchiveLine> Archive::read_devices() {
    std::vector<ArchiveLine> lines;
    for (auto &row : rows_->devices())
        if (wanted(row.device_id)) lines.push_back({print_archived(device_of(std::move(row)))});
    at_.part = Part::batches;
    return lines;
}

std::vector<ArchiveLine> Archive::read_runs() {
    std::vector<ArchiveLine> lines;
    const auto found = rows_->runs(at_.run, runs_a_step);
    for (const auto &row : found)
        if (row.next_seq > 0 && wanted(row.device_id)) read_run(row, lines);
    if (!found.empty()) at_.run = found.back().id;
    if (found.empty()) at_.part = Part::late_batches;
    return lines;
}

// In several parts, when it has many holes: each line is whole by itself.
void Archive::read_run(const ArchivedRunRow &row, std::vector<ArchiveLine> &lines) {
    ArchivedRun run;
    run.device_id = row.device_id;
    run.run_id = row.run_id;
    run.hash_id = row.hash_id;
    while (run.from_seq < row.next_seq) {
        const auto holes = rows_->holes(row.id, run.from_seq, gaps_a_line);
        const bool last = static_cast<std::int64_t>(holes.size()) < gaps_a_line;
        run.gaps.clear();
        for (const auto &hole : holes)
            run.gaps.push_back(
                {hole.from, hole.to, hole.reason, from_milliseconds(hole.noticed_at), span_of(hole.lost)});
        run.to_seq = last ? row.next_seq - 1 : holes.back().to;
        if (run.to_seq + 1 >= row.next_seq) {
            run.last_end = time_of(row.last.at);
            if (run.last_end) run.last_synced = row.last.synced;
            run.open_from = row.open_from;
        }
        lines.push_back({print_archived(run)});
        run.from_seq = run.to_seq + 1;
    }
}

std::vector<ArchiveLine> Archive::read_batches() {
    std::vector<ArchiveLine> lines;
    auto found = rows_->batches(at_.batch, batches_a_step_);
    if (found.empty()) {
        at_.part = at_.part == Part::batches ? Part::runs : Part::end;
        return lines;
    }
    const auto end = found.back().id;
    std::erase_if(found, [&](const auto &row) { return !wanted(row); });
    const auto lived_s = rows_->lived_s();
    std::size_t rows = found.size();
    auto batches = read_whole(*rows_, found);
    for (std::size_t i = 0; i < found.size(); ++i) {
        rows += batches[i].detections.size();
        if (auto line = line_of(found[i], std::move(batches[i]), lived_s)) lines.push_back(std::move(*line));
    }
    at_.batch = end;
    const auto each = static_cast<std::int64_t>(found.empty() ? 1 : rows / found.size());
    batches_a_step_ =
        std::clamp<std::int64_t>(rows_a_step / std::max<std::int64_t>(each, 1), 1, most_batches_a_step);
    return lines;
}

std::optional<ArchiveLine> Archive::line_of(const ArchivedRow &row, Batch &&batch,
                                            std::int64_t lived_s) const {
    batch.archive = Archived{from_milliseconds(row.received_at),
                             std::max<std::int64_t>(lived_s - row.lived_s, 0), row.digest};
    ArchiveLine line{print_batch(batch), ArchivePlace{row.id, row.received_at, row.device_id},
                     batch.detections.size()};
    if (line.text.size() > max_line + archive_room) {
        const std::string of = batch.position ? ", run_id " + batch.position->run_id + ", seq " +
                                                    std::to_string(batch.position->seq)
                                              : " of " + format_ms(batch.archive->received_at);
        if (on_too_long) on_too_long(batch.device_id + of);
        return {};
    }
    if (batch.sender) line.text = with_sender(line.text, *batch.sender);
    return line;
}

}  // namespace ble
