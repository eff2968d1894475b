#include "store/sqlite/batches.hpp"

#include <utility>

#include "store/scattered.hpp"
#include "store/sqlite/heard.hpp"

namespace ble {

namespace {

// Of all batches of a transaction, when a backlog is stored: 100 million detections take 0.7 GB less then, and less time. Half a MiB.
constexpr std::size_t detections_sorted = 4096;

}  // namespace

SqliteBatches::SqliteBatches(Database &database, SqliteRecent &recent)
    : database_(database),
      recent_(recent),
      insert_batch_(
          database,
          "INSERT INTO batches (device, run, seq, timestamp, received_at, clock, place, window_ms, "
          "interval_ms,"
          " oldest, newest, near, medium, far, lived_s, sender, digest) VALUES (?, ?, ?, ?, ?, ?, ?, "
          "?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"),
      insert_hash_(
          database,
          "INSERT INTO batch_hashes (hash, received_at, lived_s) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"),
      find_(database,
            "SELECT digest, senders.sender FROM batches LEFT JOIN senders ON senders.id = batches.sender"
            " WHERE run = ? AND seq = ?"),
      insert_detections_(database, "detections (timestamp, batch, n, advertiser, heard)", {},
                         detections_sorted),
      insert_details_(database, "details (batch, n, details)"),
      insert_scattered_(database, "scattered (batch, n, timestamp)") {}

void SqliteBatches::flush() {
    // A trigger of the database may keep some out.
    if (insert_detections_.flush() != std::exchange(added_, 0)) recent_.undo();
    insert_details_.flush();
    insert_scattered_.flush();
}

void SqliteBatches::forget() {
    insert_detections_.forget();
    added_ = 0;
    insert_details_.forget();
    insert_scattered_.forget();
}

bool SqliteBatches::insert_hash(std::string_view hash, std::int64_t received_at, std::int64_t lived_s) {
    insert_hash_.run(Blob{hash}, received_at, lived_s);
    return database_.changes() > 0;
}

std::int64_t SqliteBatches::insert(const BatchRow &batch) {
    std::optional<Blob> digest;
    if (batch.digest) digest = Blob{*batch.digest};
    insert_batch_.run(batch.device, batch.run, batch.seq, batch.timestamp, batch.received_at, batch.clock,
                      batch.place, batch.window_ms, batch.interval_ms, batch.oldest, batch.newest, batch.near,
                      batch.medium, batch.far, batch.lived_s, batch.sender, digest);
    if (database_.changes() == 0) Statement::kept_out();  // the id would be another batch's
    scattered_ = batch.oldest && are_scattered(*batch.oldest, *batch.newest);
    const auto id = database_.last_insert_id();
    recent_.add(id, batch.received_at);
    return id;
}

void SqliteBatches::insert(const DetectionRow &row) {
    insert_detections_.add(row.timestamp, row.batch, row.n, row.advertiser,
                           heard_of(row.rssi, row.zone, row.count));
    ++added_;
    if (!row.details.empty()) insert_details_.add(row.batch, row.n, row.details);
    recent_.add({row.timestamp, row.advertiser, row.count.value_or(1), static_cast<std::int16_t>(row.rssi),
                 static_cast<std::uint8_t>(row.zone)});
    if (scattered_) insert_scattered_.add(row.batch, row.n, row.timestamp);
}

std::optional<BatchRows::Held> SqliteBatches::find(std::int64_t run, std::int64_t seq) {
    find_.bind(1, run).bind(2, seq);
    if (!find_.step()) return {};
    Held held{std::string(find_.text(0)), std::string(find_.text(1))};
    find_.reset();
    return held;
}

}  // namespace ble
