#include "store/sqlite/questions.hpp"

#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <utility>

#include "sqlite/database.hpp"
#include "store/sqlite/crowd.hpp"
#include "store/sqlite/rolled_questions.hpp"
#include "store/sqlite/schema.hpp"
#include "store/statements.hpp"
#include "store/told_apart.hpp"

namespace ble {
namespace {

using std::string;

// In the order of Asked: since, until, device, place, most, every, advertisers (as JSON), text, whole_since, whole_until, days_since, days_until,
// hours and buckets (as JSON).
// Each statement begins so, and has all of them.
const string asked = "WITH asked AS (SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)";

// Of the Pi and the place that are asked for.
const string chosen_batches =
    "(?3 IS NULL OR batches.device = ?3)"
    " AND (?4 IS NULL OR batches.place IN (SELECT id FROM places WHERE name = ?4 OR location = ?4))";
// CROSS: in the order of time, as they are on disk.
const string of_that_time =
    " CROSS JOIN batches ON batches.id = detections.batch"
    " WHERE detections.timestamp >= ?1 AND detections.timestamp < ?2 AND " +
    chosen_batches;
const string from_detections = " FROM detections" + of_that_time;
const string of_these = " AND advertiser IN (SELECT value FROM json_each(?7))";
const string one_device = " SELECT id FROM devices WHERE device_id = ?8";

const string any_place =
    " SELECT 1 WHERE EXISTS (SELECT 1 FROM places WHERE name = ?4 OR location = ?4)"
    " OR EXISTS (SELECT 1 FROM devices WHERE name = ?4 OR location = ?4)";

const string some_advertisers =
    " SELECT id, device_hash FROM advertisers WHERE device_hash >= ?8 AND device_hash < ?8 || 'g'"
    " ORDER BY device_hash LIMIT ?5";

const string any_stretch =
    " SELECT 1 FROM stretches WHERE last > ?1 AND stretches.begin < ?2 AND (?3 IS NULL OR device = ?3)"
    " AND (?4 IS NULL OR place IN (SELECT id FROM places WHERE name = ?4 OR location = ?4)) LIMIT 1";

const string all_pis =
    " SELECT device_id, devices.name, devices.location, is_active, first_seen, heard_ms, "
    "last_heard.interval_ms,"
    " last_heard.clock, hash_id,"
    " (SELECT coalesce(sum(to_seq - from_seq + 1), 0) FROM gaps JOIN runs AS own ON own.id = gaps.run"
    "   WHERE own.device = devices.id),"
    " two_at_once.since, sender, conflicts, last_version"
    " FROM devices JOIN last_heard ON last_heard.device = devices.id"
    " LEFT JOIN runs ON runs.id = last_heard.run LEFT JOIN senders ON senders.id = devices.last_sender"
    " LEFT JOIN two_at_once ON two_at_once.device = devices.id"
    " WHERE (?3 IS NULL OR devices.id = ?3) AND (?4 IS NULL OR devices.name = ?4 OR devices.location = ?4)"
    " ORDER BY device_id LIMIT ?5";

const string one_track =
    ", each AS (SELECT detections.timestamp / ?6 AS step, advertiser, batches.device, batches.place,"
    " min(detections.timestamp) AS first, max(detections.timestamp) AS last, max(rssi) AS rssi,"
    " sum(rssi) AS rssi_sum, count(*) AS detections, min(zone) AS zone" +
    from_detections + of_these +
    " GROUP BY 1, 2, 3, 4)"
    " SELECT device_id, places.name, places.location, device_hash, step, each.first, each.last, rssi, "
    "rssi_sum,"
    " each.detections, zone"
    " FROM each JOIN devices ON devices.id = device JOIN advertisers ON advertisers.id = advertiser"
    " LEFT JOIN places ON places.id = place ORDER BY step DESC, device_id DESC, each.last DESC LIMIT ?5";

// The first of them is looked for once: where no details are stored at all, nothing is read.
const string last_told =
    " SELECT details.details FROM (SELECT 1 FROM details LIMIT 1) CROSS JOIN detections"
    " CROSS JOIN details USING (batch, n)" +
    of_that_time + of_these + " ORDER BY detections.timestamp DESC, details.details LIMIT ?5";

// One step more than is asked for, whole.
const string how_many =
    " SELECT step, name, location, sum(near), sum(medium), sum(far), sum(told_near), sum(told_medium),"
    " sum(told_far) FROM together LEFT JOIN places ON places.id = place"
    " GROUP BY step, place ORDER BY step DESC LIMIT ?5 + 1 + (SELECT count(*) FROM places)";
const string how_many_by_device =
    " SELECT step, places.name, places.location, sum(near), sum(medium), sum(far), sum(told_near),"
    " sum(told_medium), sum(told_far), device_id FROM together JOIN devices ON devices.id = device"
    " LEFT JOIN places ON places.id = place GROUP BY step, device, place ORDER BY step DESC"
    " LIMIT ?5 + 1 + (SELECT count(*) FROM device_places) + (SELECT count(*) FROM devices)";

// CROSS: Pi by Pi, by the index of their latest ones.
const string all_stretches =
    " SELECT device_id, places.name, places.location, clock, stretches.first, stretches.begin, "
    "stretches.last,"
    " windows, listened_ms, reach FROM devices CROSS JOIN stretches ON stretches.device = devices.id"
    " LEFT JOIN places ON places.id = stretches.place"
    " WHERE stretches.last > ?1 AND stretches.begin < ?2 AND (?3 IS NULL OR devices.id = ?3)"
    " ORDER BY stretches.last DESC, device_id, stretches.first LIMIT ?5";

const string all_gaps =
    " SELECT device_id, reason, lost_from, lost_to FROM gaps JOIN runs ON runs.id = gaps.run"
    " JOIN devices ON devices.id = runs.device"
    " WHERE coalesce(lost_from, lost_to) IS NOT NULL AND coalesce(lost_to, ?2) > ?1 AND coalesce(lost_from, "
    "?1) < ?2"
    " AND (?3 IS NULL OR devices.id = ?3) ORDER BY coalesce(lost_to, ?2) DESC, device_id, from_seq LIMIT ?5";

const string all_missing =
    " SELECT device_id, name, location, what, since, reason, batches, run_id, from_seq, to_seq, lost_from, "
    "lost_to,"
    " lost_clock FROM missing"
    " WHERE (?3 IS NULL OR device_id = (SELECT device_id FROM devices WHERE id = ?3))"
    " AND (?4 IS NULL OR name = ?4 OR location = ?4)"
    " AND (what = 'batches' OR since IS NULL OR since < strftime('%Y-%m-%dT%H:%M:%fZ', ?2 / 1000.0, "
    "'unixepoch'))"
    " AND (what <> 'batches' OR (since >= strftime('%Y-%m-%dT%H:%M:%fZ', ?1 / 1000.0, 'unixepoch') AND since "
    "< strftime('%Y-%m-%dT%H:%M:%fZ', ?2 / 1000.0, 'unixepoch'))"
    "  OR (coalesce(lost_to, lost_from) >= strftime('%Y-%m-%dT%H:%M:%fZ', ?1 / 1000.0, 'unixepoch') AND "
    "coalesce(lost_from, lost_to) < strftime('%Y-%m-%dT%H:%M:%fZ', ?2 / 1000.0, 'unixepoch')))"
    " ORDER BY since DESC NULLS LAST, device_id, run_id NULLS FIRST, from_seq DESC LIMIT ?5";

Statements all_statements() {
    Statements all(asked);
    all.put(Question::device, one_device);
    all.put(Question::place, any_place);
    all.put(Question::advertisers, some_advertisers);
    all.put(Question::listened, any_stretch);
    all.put(Question::pis, all_pis);
    all.put(Question::track, one_track);
    all.put(Question::track, sqlite_rolled::track(), Reads::rollups);
    all.put(Question::told, last_told);
    all.put(Question::expired, sqlite_rolled::expired());
    all.put(Question::unsettled, sqlite_rolled::unsettled_hours());
    all.put(Question::cut, sqlite_rolled::cut());
    all.put(Question::deleted, sqlite_rolled::deleted());
    all.put(Question::stretches, all_stretches);
    all.put(Question::gaps, all_gaps);
    all.put(Question::losses, all_missing);
    for (const auto reads : {Reads::details, Reads::rollups, Reads::few, Reads::of_pi}) {
        all.put(Question::presence, sqlite_rolled::heard(reads), reads);
        all.put(Question::top, sqlite_rolled::heard(reads), reads);
        all.put(Question::occupancy_by_device, sqlite_rolled::occupancy(reads, true) + how_many_by_device,
                reads);
    }
    for (const auto reads : {Reads::details, Reads::rollups, Reads::few, Reads::of_pi, Reads::counts})
        all.put(Question::occupancy, sqlite_rolled::occupancy(reads, false) + how_many, reads);
    return all;
}

const string &sql_of(Question question, Reads reads) {
    static const auto all = all_statements();
    return all.of(question, reads);
}

string json_of(const std::vector<std::int64_t> &numbers) {
    string json = "[";
    for (const auto number : numbers) json += (json.size() == 1 ? "" : ",") + std::to_string(number);
    return json + ']';
}

class SqliteColumns final : public Columns {
  public:
    explicit SqliteColumns(const Statement &row) : row_(row) {}
    std::optional<std::int64_t> number(int column) const override {
        return row_.is_null(column) ? std::nullopt : std::optional(row_.integer(column));
    }
    std::optional<string> text(int column) const override {
        return row_.is_null(column) ? std::nullopt : std::optional(string(row_.text(column)));
    }

  private:
    const Statement &row_;
};

class CrowdColumns final : public Columns {
  public:
    explicit CrowdColumns(const SqliteCrowd::Row &row) : row_(row) {}
    std::optional<std::int64_t> number(int column) const override { return of<std::int64_t>(column); }
    std::optional<string> text(int column) const override { return of<string>(column); }

  private:
    template <class Type>
    std::optional<Type> of(int column) const {
        const auto *value = std::get_if<Type>(&row_[static_cast<std::size_t>(column)]);
        return value != nullptr ? std::optional(*value) : std::nullopt;
    }

    const SqliteCrowd::Row &row_;
};

class SqliteQuestions final : public QuestionRows {
  public:
    SqliteQuestions(const string &path, std::function<bool()> go_on)
        : database_(path, std::chrono::milliseconds(1000), Database::Access::read), go_on_(std::move(go_on)) {
        check_archive_schema(database_);
    }

    void begin(std::chrono::milliseconds longest) override {
        const auto end = std::chrono::steady_clock::now() + longest;
        database_.interrupt_when(
            [this, end] { return std::chrono::steady_clock::now() >= end || (go_on_ && !go_on_()); });
        check_archive_schema(database_);
        database_.execute("BEGIN");
    }
    void end() override {
        database_.execute("COMMIT");
        database_.interrupt_when({});
    }
    void give_up() noexcept override {
        try {
            database_.interrupt_when({});
            if (database_.in_transaction()) database_.execute("ROLLBACK");
        } catch (const SqliteError &) {
        }
    }

    void ask(Question question, const Asked &what, const Sink &sink) override {
        const string advertisers = json_of(what.advertisers), hours = json_of(what.hours),
                     buckets = json_of(what.buckets);
        Statement statement(database_, sql_of(question, what.reads));
        statement.bind(1, what.since).bind(2, what.until).bind(3, what.device).bind(4, what.place);
        statement.bind(5, what.most).bind(6, what.every).bind(7, advertisers).bind(8, what.text);
        statement.bind(9, what.whole_since).bind(10, what.whole_until);
        statement.bind(11, what.days_since).bind(12, what.days_until);
        statement.bind(13, hours).bind(14, buckets);
        if (question == Question::presence || question == Question::top) {
            SqliteCrowd crowd(database_);
            while (statement.step()) crowd.add(statement);
            const auto most = static_cast<std::size_t>(what.most);
            const bool details = what.reads == Reads::details;
            for (const auto &row :
                 question == Question::top ? crowd.top(most) : crowd.presence(most, details))
                sink(CrowdColumns(row));
            return;
        }
        const SqliteColumns columns(statement);
        while (statement.step()) sink(columns);
    }

  private:
    Database database_;
    std::function<bool()> go_on_;
};

// SQLite makes the file of its index beside a database of WAL, also to read it, unless a writer has it open.
[[noreturn]] void explain(const string &path, const DatabaseError &error) {
    const auto folder = std::filesystem::path(path).parent_path();
    const bool there = ::access(path.c_str(), R_OK) == 0;
    if (there && ::access(folder.empty() ? "." : folder.c_str(), W_OK) != 0 &&
        error.kind() == DatabaseError::Kind::trouble)
        throw Error(ExitCode::permission, "unable to read the database " + path +
                                              ": nobody has it open, and then SQLite needs the right to "
                                              "write in its folder. Read it as bleingest's user, "
                                              "or while bleingest runs, or copy it elsewhere");
    throw error;
}

}  // namespace

std::unique_ptr<QuestionRows> open_sqlite_questions(const string &path, const std::function<bool()> &go_on) {
    return told_apart([&]() -> std::unique_ptr<QuestionRows> {
        if (::access(path.c_str(), R_OK) != 0)
            throw system_error("open the database " + path,
                               errno == EACCES ? ExitCode::permission : ExitCode::io);
        try {
            return std::make_unique<SqliteQuestions>(path, go_on);
        } catch (const DatabaseError &error) {
            explain(path, error);
        }
    });
}

}  // namespace ble
