#include "store/postgres/archive.hpp"

#include "store/postgres/connection.hpp"
#include "store/postgres/schema.hpp"
#include "store/segments.hpp"
#include "store/told_apart.hpp"

namespace ble {
namespace {

constexpr Query read_age{"SELECT lived_s FROM age"};
constexpr Query find_extent{"SELECT min(id), max(id) FROM batches"};
constexpr Query all_devices{
    "SELECT device_id, name, location, senders.sender, last_version, first_seen, last_seen, last_conflict, "
    "last_received,"
    " is_active, conflicts FROM devices LEFT JOIN senders ON senders.id = last_sender ORDER BY devices.id"};
constexpr Query some_runs{
    "SELECT runs.id, next_seq, device_id, run_id, hash_id, last_end, last_clock, open_from FROM runs"
    " JOIN devices ON devices.id = runs.device WHERE runs.id > $1::bigint ORDER BY runs.id LIMIT $2::bigint"};
constexpr Query some_holes{
    "SELECT from_seq, to_seq, reason, noticed_at, lost_from, lost_to, lost_clock FROM gaps"
    " WHERE run = $1::bigint AND from_seq >= $2::bigint ORDER BY from_seq LIMIT $3::bigint"};
constexpr Query some_batches{
    "SELECT batches.id, received_at, lived_s, device_id, places.name, places.location, run_id, hash_id, "
    "senders.sender, digest,"
    " seq, timestamp, clock, window_ms, interval_ms, near, medium, far, oldest, newest"
    " FROM batches JOIN devices ON devices.id = batches.device LEFT JOIN places ON places.id = batches.place"
    " LEFT JOIN runs ON runs.id = batches.run LEFT JOIN senders ON senders.id = batches.sender"
    " WHERE batches.id > $1::bigint ORDER BY batches.id LIMIT $2::bigint"};
constexpr Query one_segment{
    "SELECT detections.batch, n, timestamp, rssi, zone, count, device_hash, details FROM detections"
    " JOIN advertiser_totals ON advertiser_totals.id = advertiser"
    " WHERE timestamp BETWEEN $1::bigint AND $2::bigint AND batch BETWEEN $3::bigint AND $4::bigint"};
constexpr Query one_scattered{
    "SELECT detections.batch, n, timestamp, rssi, zone, count, device_hash, details FROM detections"
    " JOIN advertiser_totals ON advertiser_totals.id = advertiser"
    " WHERE timestamp = ANY ((SELECT times FROM batches WHERE id = $1::bigint)::bigint[]) AND batch = "
    "$1::bigint"};

std::optional<std::string> text(const Answer &answer, int row, int column) {
    return answer.is_null(row, column) ? std::nullopt : std::optional(std::string(answer.text(row, column)));
}

std::optional<bool> flag(const Answer &answer, int row, int column) {
    return answer.is_null(row, column) ? std::nullopt : std::optional(answer.integer(row, column) != 0);
}

ArchivedRow batch_of(const Answer &answer, int at) {
    ArchivedRow row;
    row.id = answer.integer(at, 0);
    row.received_at = answer.integer(at, 1);
    row.lived_s = answer.integer(at, 2);
    row.device_id = answer.text(at, 3);
    int column = 4;
    for (auto *member : {&row.name, &row.location, &row.run_id, &row.hash_id, &row.sender, &row.digest})
        *member = text(answer, at, column++);
    if (row.digest) row.digest = bytes_of(*row.digest);
    for (auto *member : {&row.seq, &row.timestamp, &row.clock, &row.window_ms, &row.interval_ms, &row.near,
                         &row.medium, &row.far, &row.oldest, &row.newest})
        *member = answer.number(at, column++);
    return row;
}

class PostgresArchive final : public ArchiveRows {
  public:
    PostgresArchive(const std::string &uri, const std::function<bool()> &go_on) : connection_(uri, go_on) {
        connect();
    }

    void begin() override {
        connect();
        connection_.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
    }
    void end() override { connection_.execute("COMMIT"); }
    void give_up() noexcept override { connection_.rollback(); }

    std::int64_t lived_s() override { return connection_.ask(read_age).integer(0, 0); }
    std::pair<std::int64_t, std::int64_t> extent() override {
        const Answer answer = connection_.ask(find_extent);
        return {answer.integer(0, 0), answer.integer(0, 1)};
    }
    std::vector<ArchivedDeviceRow> devices() override;
    std::vector<ArchivedRunRow> runs(std::int64_t after, std::int64_t most) override;
    std::vector<HolePiece> holes(std::int64_t run, std::int64_t from_seq, std::int64_t most) override;
    std::vector<ArchivedRow> batches(std::int64_t after, std::int64_t most) override;
    void detections(const std::vector<ArchivedRow> &batches, const Sink &sink) override;

  private:
    void connect() {
        if (connection_.connect()) check_postgres_schema(connection_);
    }

    Connection connection_;
};

std::vector<ArchivedDeviceRow> PostgresArchive::devices() {
    const Answer found = connection_.ask(all_devices);
    std::vector<ArchivedDeviceRow> all;
    all.reserve(static_cast<std::size_t>(found.rows()));
    for (int row = 0; row < found.rows(); ++row)
        all.push_back({std::string(found.text(row, 0)), text(found, row, 1), text(found, row, 2),
                       text(found, row, 3), text(found, row, 4), found.number(row, 5), found.number(row, 6),
                       found.number(row, 7), found.integer(row, 8), found.integer(row, 9),
                       found.integer(row, 10)});
    return all;
}

std::vector<ArchivedRunRow> PostgresArchive::runs(std::int64_t after, std::int64_t most) {
    const Answer found = connection_.ask(some_runs, Values::of(after, most));
    std::vector<ArchivedRunRow> all;
    all.reserve(static_cast<std::size_t>(found.rows()));
    for (int row = 0; row < found.rows(); ++row)
        all.push_back({found.integer(row, 0),
                       found.integer(row, 1),
                       std::string(found.text(row, 2)),
                       std::string(found.text(row, 3)),
                       text(found, row, 4),
                       {found.number(row, 5), flag(found, row, 6)},
                       found.number(row, 7)});
    return all;
}

std::vector<HolePiece> PostgresArchive::holes(std::int64_t run, std::int64_t from_seq, std::int64_t most) {
    const Answer found = connection_.ask(some_holes, Values::of(run, from_seq, most));
    std::vector<HolePiece> all;
    all.reserve(static_cast<std::size_t>(found.rows()));
    for (int row = 0; row < found.rows(); ++row)
        all.push_back({found.integer(row, 0),
                       found.integer(row, 1),
                       std::string(found.text(row, 2)),
                       found.integer(row, 3),
                       {found.number(row, 4), found.number(row, 5), flag(found, row, 6)}});
    return all;
}

std::vector<ArchivedRow> PostgresArchive::batches(std::int64_t after, std::int64_t most) {
    const Answer found = connection_.ask(some_batches, Values::of(after, most));
    std::vector<ArchivedRow> all;
    all.reserve(static_cast<std::size_t>(found.rows()));
    for (int row = 0; row < found.rows(); ++row) all.push_back(batch_of(found, row));
    return all;
}

void PostgresArchive::detections(const std::vector<ArchivedRow> &batches, const Sink &sink) {
    std::vector<Connection::Question> questions;
    for (const auto &segment : segments_of(batches)) {
        if (segment.scattered)
            questions.push_back({one_scattered, Values::of(segment.first_id)});
        else
            questions.push_back(
                {one_segment, Values::of(segment.oldest, segment.newest, segment.first_id, segment.last_id)});
    }
    if (questions.empty()) return;
    for (const auto &found : connection_.ask(questions))
        for (int row = 0; row < found.rows(); ++row)
            sink({found.integer(row, 0), found.integer(row, 1), found.integer(row, 2), found.integer(row, 3),
                  found.integer(row, 4), found.number(row, 5), found.text(row, 6), found.text(row, 7)});
}

}  // namespace

std::unique_ptr<ArchiveRows> open_postgres_archive(const std::string &uri,
                                                   const std::function<bool()> &go_on) {
    return told_apart([&] { return std::make_unique<PostgresArchive>(uri, go_on); });
}

}  // namespace ble
