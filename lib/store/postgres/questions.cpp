#include "store/postgres/questions.hpp"

#include <algorithm>
#include <chrono>
#include <map>
#include <utility>

#include "store/postgres/connection.hpp"
#include "store/postgres/rolled_questions.hpp"
#include "store/postgres/schema.hpp"
#include "store/told_apart.hpp"

namespace ble {
namespace {

using std::string;

// In the order of Asked: since, until, device, place, most, every, advertisers, text, whole_since, whole_until, days_since, days_until. Each
// statement begins so, and has all of them.
const string asked =
    "WITH asked AS (SELECT $1::bigint, $2::bigint, $3::bigint, $4::text, $5::bigint, $6::bigint, "
    "$7::bigint[], $8::text, $9::bigint, $10::bigint, $11::bigint, $12::bigint)";

// Of the Pi and the place that are asked for.
const string chosen_batches =
    "($3::bigint IS NULL OR batches.device = $3::bigint)"
    " AND ($4::text IS NULL OR batches.place IN (SELECT id FROM places WHERE name = $4::text OR location = "
    "$4::text))";
const string from_detections =
    " FROM detections JOIN batches ON batches.id = detections.batch"
    " WHERE detections.timestamp >= $1::bigint AND detections.timestamp < $2::bigint AND " +
    chosen_batches;
const string from_windows =
    " FROM batches WHERE batches.timestamp >= $1::bigint AND batches.timestamp < $2::bigint AND window_ms IS "
    "NOT NULL AND " +
    chosen_batches;

const string one_device = " SELECT id FROM devices WHERE device_id = $8::text";

const string any_place =
    " SELECT 1 WHERE EXISTS (SELECT 1 FROM places WHERE name = $4::text OR location = $4::text)"
    " OR EXISTS (SELECT 1 FROM devices WHERE name = $4::text OR location = $4::text)";

const string some_advertisers =
    " SELECT id, device_hash FROM advertiser_totals WHERE device_hash >= $8::text AND device_hash < $8::text "
    "|| 'g'"
    " ORDER BY device_hash LIMIT $5::bigint";

const string any_window = " SELECT 1" + from_windows + " LIMIT 1";

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
    " WHERE ($3::bigint IS NULL OR devices.id = $3::bigint) AND ($4::text IS NULL OR devices.name = $4::text "
    "OR devices.location = $4::text)"
    " ORDER BY device_id LIMIT $5::bigint";

const string who_is_where =
    ", each AS (SELECT advertiser, batches.device, batches.place, max(rssi) AS rssi, min(zone) AS zone,"
    " max(detections.timestamp) AS last, count(*) AS detections" +
    from_detections +
    " GROUP BY 1, 2, 3),"
    " ranked AS (SELECT each.*, device_id, max(last) OVER own AS last_of_all, count(*) OVER own AS pis,"
    " sum(detections) OVER own AS detections_of_all,"
    " row_number() OVER (PARTITION BY advertiser ORDER BY rssi DESC, last DESC, device_id) AS nth"
    " FROM each JOIN devices ON devices.id = each.device WINDOW own AS (PARTITION BY advertiser))"
    " SELECT device_id, name, location, device_hash, rssi, zone, last_of_all, pis, detections_of_all"
    " FROM ranked JOIN advertiser_totals ON advertiser_totals.id = advertiser LEFT JOIN places ON places.id "
    "= place"
    " WHERE nth = 1 ORDER BY rssi DESC, device_hash LIMIT $5::bigint";

const string one_track =
    ", each AS (SELECT detections.timestamp / $6::bigint AS step, advertiser, batches.device, batches.place,"
    " min(detections.timestamp) AS first, max(detections.timestamp) AS last, max(rssi) AS rssi,"
    " sum(rssi) AS rssi_sum, count(*) AS detections, min(zone) AS zone" +
    from_detections +
    " AND advertiser = ANY ($7::bigint[]) GROUP BY 1, 2, 3, 4)"
    " SELECT device_id, places.name, places.location, device_hash, step, each.first, each.last, rssi, "
    "rssi_sum,"
    " each.detections, zone"
    " FROM each JOIN devices ON devices.id = device JOIN advertiser_totals ON advertiser_totals.id = "
    "advertiser"
    " LEFT JOIN places ON places.id = place ORDER BY step DESC, device_id DESC, each.last DESC LIMIT "
    "$5::bigint";

const string how_many =
    ", listened AS (SELECT batches.timestamp / $6::bigint AS step, coalesce(place, 0) AS place, "
    "count(DISTINCT device) AS pis,"
    " sum(window_ms) AS listened_ms, max(near) AS near, max(medium) AS medium, max(far) AS far" +
    from_windows +
    " GROUP BY 1, 2),"
    " each AS (SELECT detections.timestamp / $6::bigint AS step, coalesce(batches.place, 0) AS place, "
    "advertiser,"
    " min(zone) AS zone" +
    from_detections +
    " GROUP BY 1, 2, 3),"
    " heard AS (SELECT step, place, count(*) FILTER (WHERE zone = 0) AS near,"
    " count(*) FILTER (WHERE zone = 1) AS medium, count(*) FILTER (WHERE zone = 2) AS far FROM each GROUP BY "
    "1, 2),"
    " together AS (SELECT step, place, 0 AS near, 0 AS medium, 0 AS far, near AS told_near, medium AS "
    "told_medium,"
    " far AS told_far, pis, listened_ms FROM listened"
    " UNION ALL SELECT step, place, near, medium, far, 0, 0, 0, 0, 0 FROM heard)"
    " SELECT step, name, location, sum(near), sum(medium), sum(far), sum(told_near), sum(told_medium),"
    " sum(told_far), sum(pis), sum(listened_ms) FROM together LEFT JOIN places ON places.id = place"
    " GROUP BY step, place, name, location ORDER BY step DESC, name DESC NULLS LAST, location DESC LIMIT "
    "$5::bigint";

const string all_stretches =
    " SELECT device_id, places.name, places.location, clock, stretches.first, stretches.begin, "
    "stretches.last,"
    " windows, listened_ms, reach FROM devices JOIN stretches ON stretches.device = devices.id"
    " LEFT JOIN places ON places.id = stretches.place"
    " WHERE stretches.last > $1::bigint AND stretches.begin < $2::bigint AND ($3::bigint IS NULL OR "
    "devices.id = $3::bigint)"
    " ORDER BY stretches.last DESC, device_id, stretches.first LIMIT $5::bigint";

const string all_gaps =
    " SELECT device_id, reason, lost_from, lost_to FROM gaps JOIN runs ON runs.id = gaps.run"
    " JOIN devices ON devices.id = runs.device"
    " WHERE coalesce(lost_from, lost_to) IS NOT NULL AND coalesce(lost_to, $2::bigint) > $1::bigint AND "
    "coalesce(lost_from, $1::bigint) < $2::bigint"
    " AND ($3::bigint IS NULL OR devices.id = $3::bigint) ORDER BY coalesce(lost_to, $2::bigint) DESC, "
    "device_id, from_seq LIMIT $5::bigint";

const string all_missing =
    " SELECT device_id, name, location, what, since, reason, batches, run_id, from_seq, to_seq, lost_from, "
    "lost_to,"
    " lost_clock FROM missing"
    " WHERE ($3::bigint IS NULL OR device_id = (SELECT device_id FROM devices WHERE id = $3::bigint))"
    " AND ($4::text IS NULL OR name = $4::text OR location = $4::text)"
    " AND (what <> 'batches' OR (since >= iso($1::bigint) AND since < iso($2::bigint))"
    "  OR (coalesce(lost_to, lost_from) >= iso($1::bigint) AND coalesce(lost_from, lost_to) < "
    "iso($2::bigint)))"
    " ORDER BY since DESC NULLS LAST, device_id, run_id NULLS FIRST, from_seq DESC LIMIT $5::bigint";

const string most_heard =
    ", each AS (SELECT advertiser, count(*) AS detections, count(DISTINCT batches.device) AS pis, max(rssi) "
    "AS rssi,"
    " min(detections.timestamp) AS first, max(detections.timestamp) AS last" +
    from_detections +
    " GROUP BY 1)"
    " SELECT device_hash, each.detections, pis, rssi, each.first, each.last"
    " FROM each JOIN advertiser_totals ON advertiser_totals.id = advertiser ORDER BY 2 DESC, 1 LIMIT "
    "$5::bigint";

// Connection knows a statement by its text's place.
Query query_of(Question question) {
    static const std::map<Question, string> all{
        {Question::device, asked + one_device},
        {Question::place, asked + any_place},
        {Question::advertisers, asked + some_advertisers},
        {Question::listened, asked + any_window},
        {Question::pis, asked + all_pis},
        {Question::presence, asked + who_is_where},
        {Question::track, asked + one_track},
        {Question::track_by_rollups, asked + postgres_rolled::track()},
        {Question::deleted, asked + postgres_rolled::deleted()},
        {Question::occupancy, asked + how_many},
        {Question::stretches, asked + all_stretches},
        {Question::gaps, asked + all_gaps},
        {Question::losses, asked + all_missing},
        {Question::top, asked + most_heard}};
    return {all.at(question).c_str()};
}

constexpr Query set_time{"SELECT set_config('statement_timeout', $1::text, true)"};

class PostgresColumns final : public Columns {
  public:
    explicit PostgresColumns(const Answer &answer) : answer_(answer) {}
    void go_to(int row) { row_ = row; }
    std::optional<std::int64_t> number(int column) const override { return answer_.number(row_, column); }
    std::optional<string> text(int column) const override {
        return answer_.is_null(row_, column) ? std::nullopt
                                             : std::optional(string(answer_.text(row_, column)));
    }

  private:
    const Answer &answer_;
    int row_ = 0;
};

class PostgresQuestions final : public QuestionRows {
  public:
    // The server keeps the time; one that says nothing any more is waited for a little longer.
    PostgresQuestions(const string &uri, const std::function<bool()> &go_on)
        : connection_(uri, [this, go_on] {
              return std::chrono::steady_clock::now() < end_ + std::chrono::seconds(2) && (!go_on || go_on());
          }) {
        connection_.stop_at_once();
        connect();
    }

    void begin(std::chrono::milliseconds longest) override {
        end_ = no_end;
        connect();
        end_ = std::chrono::steady_clock::now() + longest;
        connection_.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
    }
    void end() override { connection_.execute("COMMIT"); }
    void give_up() noexcept override { connection_.rollback(); }

    void ask(Question question, const Asked &what, const Sink &sink) override {
        const auto left =
            std::chrono::ceil<std::chrono::milliseconds>(end_ - std::chrono::steady_clock::now()).count();
        const Connection::Patient patient(connection_);
        connection_.queue(set_time, Values::of(std::to_string(std::max<std::int64_t>(left, 1))));
        const Answer answer = connection_.ask(
            query_of(question), Values::of(what.since, what.until, what.device, what.place, what.most,
                                           what.every, what.advertisers, what.text, what.whole_since,
                                           what.whole_until, what.days_since, what.days_until));
        PostgresColumns columns(answer);
        for (int row = 0; row < answer.rows(); ++row) {
            columns.go_to(row);
            sink(columns);
        }
    }

  private:
    void connect() {
        if (!connection_.connect()) return;
        connection_.execute("SET default_transaction_read_only = on");
        check_postgres_schema(connection_);
    }

    static constexpr auto no_end = std::chrono::steady_clock::time_point::max() - std::chrono::hours(1);

    std::chrono::steady_clock::time_point end_ = no_end;
    Connection connection_;
};

}  // namespace

std::unique_ptr<QuestionRows> open_postgres_questions(const string &uri, const std::function<bool()> &go_on) {
    return told_apart([&] { return std::make_unique<PostgresQuestions>(uri, go_on); });
}

}  // namespace ble
