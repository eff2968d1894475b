#include "store/postgres/questions.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include "store/postgres/connection.hpp"
#include "store/postgres/rolled_questions.hpp"
#include "store/postgres/schema.hpp"
#include "store/statements.hpp"
#include "store/told_apart.hpp"

namespace ble {
namespace {

using std::string;

// In the order of Asked: since, until, device, place, most, every, advertisers, text, whole_since, whole_until, days_since, days_until,
// hours, buckets; then the five minutes of batches to be merged. Each statement begins so, and has all of them.
const string asked =
    "WITH asked AS (SELECT $1::bigint, $2::bigint, $3::bigint, $4::text, $5::bigint, $6::bigint, "
    "$7::bigint[], $8::text, $9::bigint, $10::bigint, $11::bigint, $12::bigint, "
    "$13::bigint[], $14::bigint[], $15::bigint[])";

// Of the Pi and the place that are asked for.
const string chosen_batches =
    "($3::bigint IS NULL OR batches.device = $3::bigint)"
    " AND ($4::text IS NULL OR batches.place IN (SELECT id FROM places WHERE name = $4::text OR location = "
    "$4::text))";
const string from_detections =
    " FROM detections JOIN batches ON batches.id = detections.batch"
    " WHERE detections.timestamp >= $1::bigint AND detections.timestamp < $2::bigint AND " +
    chosen_batches;
const string of_these = " AND advertiser = ANY ($7::bigint[])";
const string one_device = " SELECT id FROM devices WHERE device_id = $8::text";

const string any_place =
    " SELECT 1 WHERE EXISTS (SELECT 1 FROM places WHERE name = $4::text OR location = $4::text)"
    " OR EXISTS (SELECT 1 FROM devices WHERE name = $4::text OR location = $4::text)";

const string some_advertisers =
    " SELECT id, device_hash FROM advertiser_totals WHERE device_hash >= $8::text AND device_hash < $8::text "
    "|| 'g'"
    " ORDER BY device_hash LIMIT $5::bigint";

const string any_stretch =
    " SELECT 1 FROM stretches WHERE last > $1::bigint AND stretches.begin < $2::bigint"
    " AND ($3::bigint IS NULL OR device = $3::bigint) AND ($4::text IS NULL OR place IN"
    " (SELECT id FROM places WHERE name = $4::text OR location = $4::text)) LIMIT 1";

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

// Of the detection at its latest time. OFFSET: that time is read once, not for each of them.
const string told_by_details =
    ", told AS (SELECT advertiser, min(said.details::text) AS details FROM all_of"
    " JOIN (SELECT timestamp, advertiser, details FROM detections WHERE timestamp >= $1::bigint"
    " AND timestamp < $2::bigint AND details IS NOT NULL OFFSET 0) AS said USING (advertiser)"
    " WHERE said.timestamp = all_of.last GROUP BY 1)";
const string told_by_none =
    ", told AS (SELECT NULL::bigint AS advertiser, NULL::text AS details WHERE false)";

// What is told of each advertiser is out of `each`, which holds some or all of them. Those that are alike are by their
// hashes, so all that are like the last one are kept until these are known.
// `told`: the expression for what they say of themselves.
string best_of_each(const string &told) {
    return ", all_of AS (SELECT advertiser, count(DISTINCT device) AS pis, max(rssi) AS rssi, max(last) AS "
           "last,"
           " sum(detections)::bigint AS detections FROM each WHERE advertiser IN (SELECT advertiser FROM "
           "these)"
           " GROUP BY 1), best AS (SELECT DISTINCT ON (advertiser) advertiser, device_id, place, zone FROM "
           "each"
           " JOIN devices ON devices.id = each.device WHERE advertiser IN (SELECT advertiser FROM these)"
           " ORDER BY advertiser, rssi DESC, last DESC, device_id)" +
           told +
           " SELECT device_id, name, location, device_hash, all_of.rssi, zone, last, pis, all_of.detections,"
           " details FROM all_of JOIN best USING (advertiser) LEFT JOIN told USING (advertiser)"
           " JOIN advertiser_totals ON advertiser_totals.id = advertiser LEFT JOIN places ON places.id = "
           "place"
           " ORDER BY all_of.rssi DESC, device_hash LIMIT $5::bigint";
}
const string most_of_each =
    ", all_of AS (SELECT advertiser, count(*) AS pis, max(rssi) AS rssi, min(first) AS first,"
    " max(last) AS last, sum(detections)::bigint AS detections FROM each GROUP BY 1"
    " ORDER BY 6 DESC FETCH FIRST ($5::bigint) ROWS WITH TIES)"
    " SELECT device_hash, all_of.detections, pis, rssi, first, last FROM all_of"
    " JOIN advertiser_totals ON advertiser_totals.id = advertiser ORDER BY 2 DESC, device_hash LIMIT "
    "$5::bigint";

string these(const string &from, const string &greatest) {
    return ", these AS MATERIALIZED (SELECT advertiser FROM " + from + " GROUP BY 1 ORDER BY " + greatest +
           " DESC FETCH FIRST ($5::bigint) ROWS WITH TIES)";
}
string each(const string &columns, const string &keys, const string &which) {
    return ", each AS MATERIALIZED (SELECT " + columns +
           ", max(strongest) AS rssi, max(last) AS last, sum(detections) AS detections FROM heard" + which +
           " GROUP BY " + keys + ")";
}
const string seats = "advertiser, device, place, min(zone) AS zone", by_seat = "1, 2, 3";
const string pis = "advertiser, device, min(first) AS first", by_pi = "1, 2";

const string who_is_where =
    each(seats, by_seat, "") + these("each", "max(rssi)") + best_of_each(told_by_details);
const string most_heard = each(pis, by_pi, "") + most_of_each;
// Of a day there are many advertisers who are not told, of many days more than fit into memory with all that is known of them: who is told is
// found out first.
const string only_these = " WHERE advertiser IN (SELECT advertiser FROM these)";
const string who_is_where_in_rollups =
    these("heard", "max(strongest)") + each(seats, by_seat, only_these) + best_of_each(told_by_none);
const string most_heard_in_rollups =
    these("heard", "sum(detections)") + each(pis, by_pi, only_these) + most_of_each;

const string one_track =
    ", each AS (SELECT detections.timestamp / $6::bigint AS step, advertiser, batches.device, batches.place,"
    " min(detections.timestamp) AS first, max(detections.timestamp) AS last, max(rssi) AS rssi,"
    " sum(rssi) AS rssi_sum, count(*) AS detections, min(zone) AS zone" +
    from_detections + of_these +
    " GROUP BY 1, 2, 3, 4)"
    " SELECT device_id, places.name, places.location, device_hash, step, each.first, each.last, rssi, "
    "rssi_sum,"
    " each.detections, zone"
    " FROM each JOIN devices ON devices.id = device JOIN advertiser_totals ON advertiser_totals.id = "
    "advertiser"
    " LEFT JOIN places ON places.id = place ORDER BY step DESC, device_id DESC, each.last DESC LIMIT "
    "$5::bigint";

const string last_told = " SELECT details::text" + from_detections + of_these +
                         " AND details IS NOT NULL"
                         " ORDER BY detections.timestamp DESC, details::text COLLATE \"C\" LIMIT $5::bigint";

// One step more than is asked for, whole.
const string how_many =
    " SELECT step, name, location, sum(near)::bigint, sum(medium)::bigint, sum(far)::bigint,"
    " sum(told_near)::bigint, sum(told_medium)::bigint, sum(told_far)::bigint"
    " FROM together LEFT JOIN places ON places.id = place"
    " GROUP BY step, place, name, location ORDER BY step DESC"
    " LIMIT $5::bigint + 1 + (SELECT count(*) FROM places)";

const string how_many_by_device =
    " SELECT step, places.name, places.location, sum(near)::bigint, sum(medium)::bigint, sum(far)::bigint,"
    " sum(told_near)::bigint, sum(told_medium)::bigint, sum(told_far)::bigint, device_id"
    " FROM together JOIN devices ON devices.id = device LEFT JOIN places ON places.id = place"
    " GROUP BY step, device, device_id, place, places.name, places.location ORDER BY step DESC"
    " LIMIT $5::bigint + 1 + (SELECT count(*) FROM device_places) + (SELECT count(*) FROM devices)";

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
    " AND (what = 'batches' OR since IS NULL OR since < iso($2::bigint))"
    " AND (what <> 'batches' OR (since >= iso($1::bigint) AND since < iso($2::bigint))"
    "  OR (coalesce(lost_to, lost_from) >= iso($1::bigint) AND coalesce(lost_from, lost_to) < "
    "iso($2::bigint)))"
    " ORDER BY since DESC NULLS LAST, device_id, run_id NULLS FIRST, from_seq DESC LIMIT $5::bigint";

Statements all_statements() {
    Statements all(asked);
    all.put(Question::device, one_device);
    all.put(Question::place, any_place);
    all.put(Question::advertisers, some_advertisers);
    all.put(Question::listened, any_stretch);
    all.put(Question::pis, all_pis);
    all.put(Question::track, one_track);
    all.put(Question::track, postgres_rolled::track(), Reads::rollups);
    all.put(Question::told, last_told);
    all.put(Question::expired, postgres_rolled::expired());
    all.put(Question::unsettled, postgres_rolled::unsettled_hours());
    all.put(Question::cut, postgres_rolled::cut());
    all.put(Question::deleted, postgres_rolled::deleted());
    all.put(Question::stretches, all_stretches);
    all.put(Question::gaps, all_gaps);
    all.put(Question::losses, all_missing);
    for (const auto reads : {Reads::details, Reads::rollups, Reads::few, Reads::of_pi}) {
        const bool details = reads == Reads::details;
        all.put(Question::presence,
                postgres_rolled::heard(reads) + (details ? who_is_where : who_is_where_in_rollups), reads);
        all.put(Question::occupancy_by_device, postgres_rolled::occupancy(reads, true) + how_many_by_device,
                reads);
        all.put(Question::top, postgres_rolled::heard(reads) + (details ? most_heard : most_heard_in_rollups),
                reads);
    }
    for (const auto reads : {Reads::details, Reads::rollups, Reads::few, Reads::of_pi, Reads::counts})
        all.put(Question::occupancy, postgres_rolled::occupancy(reads, false) + how_many, reads);
    return all;
}

const Statements &statements() {
    static const auto all = all_statements();
    return all;
}

// Connection knows a statement by its text's place.
Query query_of(Question question, const Asked &what) {
    return {statements().of(question, what.reads).c_str()};
}

// Does it read batches that are to be merged? With rollups all do.
bool reads_due(Question question, Reads reads) {
    return reads != Reads::details && statements().has(question, reads);
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
        // Answers add up some hundred thousand rows: in less time than it takes to compile a plan, or to start processes for the ends of the time. How
        // many they are is different each time.
        connection_.execute(
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL jit = off; SET LOCAL work_mem = "
            "'64MB'; SET LOCAL hash_mem_multiplier = 2; SET LOCAL parallel_setup_cost = 100000; SET LOCAL "
            "plan_cache_mode = force_custom_plan");
    }
    void end() override { connection_.execute("COMMIT"); }
    void give_up() noexcept override { connection_.rollback(); }

    void ask(Question question, const Asked &what, const Sink &sink) override {
        const auto left =
            std::chrono::ceil<std::chrono::milliseconds>(end_ - std::chrono::steady_clock::now()).count();
        const Connection::Patient patient(connection_);
        connection_.queue(set_time, Values::of(std::to_string(std::max<std::int64_t>(left, 1))));
        const Answer answer =
            ask(query_of(question, what), what,
                reads_due(question, what.reads) ? due_buckets(what) : std::vector<std::int64_t>{});
        PostgresColumns columns(answer);
        for (int row = 0; row < answer.rows(); ++row) {
            columns.go_to(row);
            sink(columns);
        }
    }

  private:
    Answer ask(const Query &query, const Asked &what, const std::vector<std::int64_t> &due_buckets) {
        return connection_.ask(
            query, Values::of(what.since, what.until, what.device, what.place, what.most, what.every,
                              what.advertisers, what.text, what.whole_since, what.whole_until,
                              what.days_since, what.days_until, what.hours, what.buckets, due_buckets));
    }
    std::vector<std::int64_t> due_buckets(const Asked &what) {
        static const string sql = asked + postgres_rolled::due_buckets();
        std::vector<std::int64_t> found;
        const Answer answer = ask({sql.c_str()}, what, {});
        found.reserve(static_cast<std::size_t>(answer.rows()));
        for (int row = 0; row < answer.rows(); ++row) found.push_back(answer.integer(row, 0));
        return found;
    }
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
