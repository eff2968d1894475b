#include "store/sqlite/archive.hpp"

#include "sqlite/database.hpp"
#include "store/segments.hpp"
#include "store/sqlite/schema.hpp"
#include "store/told_apart.hpp"

namespace ble {
namespace {

std::optional<std::int64_t> number(const Statement &row, int column) {
    return row.is_null(column) ? std::nullopt : std::optional(row.integer(column));
}

std::optional<std::string> text(const Statement &row, int column) {
    return row.is_null(column) ? std::nullopt : std::optional(std::string(row.text(column)));
}

std::optional<bool> flag(const Statement &row, int column) {
    return row.is_null(column) ? std::nullopt : std::optional(row.integer(column) != 0);
}

constexpr char columns_of_detections[] =
    "SELECT detections.batch, detections.n, detections.timestamp, rssi, zone, count, device_hash, details "
    "FROM ";
constexpr char names_of_detections[] =
    " CROSS JOIN advertisers ON advertisers.id = detections.advertiser"
    " LEFT JOIN details ON details.batch = detections.batch AND details.n = detections.n ";

Database &checked(Database &database) {
    told_apart([&] { check_archive_schema(database); });
    return database;
}

class SqliteArchive final : public ArchiveRows {
  public:
    explicit SqliteArchive(const std::string &path)
        : database_(path, std::chrono::milliseconds(1000), Database::Access::read),
          age_(checked(database_), "SELECT lived_s FROM age"),
          extent_(database_, "SELECT (SELECT min(id) FROM batches), (SELECT max(id) FROM batches)"),
          devices_(database_,
                   "SELECT device_id, name, location, senders.sender, last_version, first_seen, last_seen, "
                   "last_conflict,"
                   " last_received, is_active, conflicts FROM devices LEFT JOIN senders ON senders.id = "
                   "last_sender"
                   " ORDER BY devices.id"),
          runs_(database_,
                "SELECT runs.id, next_seq, device_id, run_id, hash_id, last_end, last_clock, open_from FROM "
                "runs"
                " JOIN devices ON devices.id = runs.device WHERE runs.id > ? ORDER BY runs.id LIMIT ?"),
          holes_(database_,
                 "SELECT from_seq, to_seq, reason, noticed_at, lost_from, lost_to, lost_clock FROM gaps"
                 " WHERE run = ? AND from_seq >= ? ORDER BY from_seq LIMIT ?"),
          batches_(database_,
                   "SELECT batches.id, received_at, lived_s, device_id, places.name, places.location, "
                   "run_id, hash_id,"
                   " senders.sender, digest, seq, timestamp, clock, window_ms, interval_ms, near, medium, "
                   "far, oldest, newest"
                   " FROM batches JOIN devices ON devices.id = batches.device"
                   " LEFT JOIN places ON places.id = batches.place LEFT JOIN runs ON runs.id = batches.run"
                   " LEFT JOIN senders ON senders.id = batches.sender WHERE batches.id > ? ORDER BY "
                   "batches.id LIMIT ?"),
          segment_(database_,
                   std::string(columns_of_detections) + "detections" + names_of_detections +
                       "WHERE detections.timestamp BETWEEN ? AND ? AND detections.batch BETWEEN ? AND ?"),
          scattered_(database_,
                     std::string(columns_of_detections) +
                         "scattered CROSS JOIN detections ON detections.timestamp = scattered.timestamp"
                         " AND detections.batch = scattered.batch AND detections.n = scattered.n" +
                         names_of_detections + "WHERE scattered.batch = ?") {}

    void begin() override {
        check_archive_schema(database_);
        database_.execute("BEGIN");
    }
    void end() override { database_.execute("COMMIT"); }
    void give_up() noexcept override {
        try {
            if (database_.in_transaction()) database_.execute("ROLLBACK");
        } catch (const SqliteError &) {
        }
    }

    std::int64_t lived_s() override { return age_.find().value_or(0); }
    std::pair<std::int64_t, std::int64_t> extent() override;
    std::vector<ArchivedDeviceRow> devices() override;
    std::vector<ArchivedRunRow> runs(std::int64_t after, std::int64_t most) override;
    std::vector<HolePiece> holes(std::int64_t run, std::int64_t from_seq, std::int64_t most) override;
    std::vector<ArchivedRow> batches(std::int64_t after, std::int64_t most) override;
    void detections(const std::vector<ArchivedRow> &batches, const Sink &sink) override;

  private:
    std::int64_t pass(Statement &statement, const Sink &sink);

    Database database_;
    Statement age_, extent_, devices_, runs_, holes_, batches_, segment_, scattered_;
};

std::pair<std::int64_t, std::int64_t> SqliteArchive::extent() {
    extent_.step();
    const std::pair found{extent_.integer(0), extent_.integer(1)};
    extent_.reset();
    return found;
}

std::vector<ArchivedDeviceRow> SqliteArchive::devices() {
    std::vector<ArchivedDeviceRow> all;
    while (devices_.step())
        all.push_back({std::string(devices_.text(0)), text(devices_, 1), text(devices_, 2), text(devices_, 3),
                       text(devices_, 4), number(devices_, 5), number(devices_, 6), number(devices_, 7),
                       devices_.integer(8), devices_.integer(9), devices_.integer(10)});
    return all;
}

std::vector<ArchivedRunRow> SqliteArchive::runs(std::int64_t after, std::int64_t most) {
    std::vector<ArchivedRunRow> found;
    runs_.bind(1, after).bind(2, most);
    while (runs_.step())
        found.push_back({runs_.integer(0),
                         runs_.integer(1),
                         std::string(runs_.text(2)),
                         std::string(runs_.text(3)),
                         text(runs_, 4),
                         {number(runs_, 5), flag(runs_, 6)},
                         number(runs_, 7)});
    return found;
}

std::vector<HolePiece> SqliteArchive::holes(std::int64_t run, std::int64_t from_seq, std::int64_t most) {
    std::vector<HolePiece> found;
    holes_.bind(1, run).bind(2, from_seq).bind(3, most);
    while (holes_.step())
        found.push_back({holes_.integer(0),
                         holes_.integer(1),
                         std::string(holes_.text(2)),
                         holes_.integer(3),
                         {number(holes_, 4), number(holes_, 5), flag(holes_, 6)}});
    return found;
}

std::vector<ArchivedRow> SqliteArchive::batches(std::int64_t after, std::int64_t most) {
    std::vector<ArchivedRow> found;
    batches_.bind(1, after).bind(2, most);
    while (batches_.step()) {
        const auto number_at = [&](int column) { return number(batches_, column); };
        ArchivedRow row;
        row.id = batches_.integer(0);
        row.received_at = batches_.integer(1);
        row.lived_s = batches_.integer(2);
        row.device_id = batches_.text(3);
        int column = 4;
        for (auto *member : {&row.name, &row.location, &row.run_id, &row.hash_id, &row.sender, &row.digest})
            *member = text(batches_, column++);
        for (auto *member : {&row.seq, &row.timestamp, &row.clock, &row.window_ms, &row.interval_ms,
                             &row.near, &row.medium, &row.far, &row.oldest, &row.newest})
            *member = number_at(column++);
        found.push_back(std::move(row));
    }
    return found;
}

void SqliteArchive::detections(const std::vector<ArchivedRow> &batches, const Sink &sink) {
    for (const auto &segment : segments_of(batches)) {
        if (segment.scattered) {
            scattered_.bind(1, segment.first_id);
            if (pass(scattered_, sink) > 0) continue;  // else it was stored before it was kept where they are
        }
        segment_.bind(1, segment.oldest)
            .bind(2, segment.newest)
            .bind(3, segment.first_id)
            .bind(4, segment.last_id);
        pass(segment_, sink);
    }
}

std::int64_t SqliteArchive::pass(Statement &statement, const Sink &sink) {
    std::int64_t rows = 0;
    for (; statement.step(); ++rows)
        sink({statement.integer(0), statement.integer(1), statement.integer(2), statement.integer(3),
              statement.integer(4), number(statement, 5), statement.text(6), statement.text(7)});
    return rows;
}

}  // namespace

std::unique_ptr<ArchiveRows> open_sqlite_archive(const std::string &path) {
    return told_apart([&] { return std::make_unique<SqliteArchive>(path); });
}

}  // namespace ble
