#include "store/postgres/news.hpp"

#include "base/log.hpp"
#include "store/postgres/locks.hpp"

namespace ble {
namespace {

// Rows of advertiser_news. What is pending is added up at each query of the view advertisers: so many cost it some milliseconds.
constexpr int fold_after = 64;

constexpr Query fold{
    "WITH gone AS (DELETE FROM advertiser_news RETURNING advertiser_news AS news)"
    " UPDATE advertiser_totals AS totals SET first_seen = least(totals.first_seen, news.first),"
    "  last_seen = newer(totals.last_seen, news.last, news.received_at), detections = totals.detections + "
    "news.count"
    " FROM sum_news((SELECT array_agg(gone.news) FROM gone)) AS news WHERE totals.id = news.advertiser"};
constexpr Query insert_gone{
    "INSERT INTO advertiser_news (received_at, advertisers, firsts, lasts, counts)"
    " VALUES (9223372036854775807, $1::bigint[], $2::bigint[], $2::bigint[], $3::bigint[])"};

}  // namespace

void fold_news(Connection &connection) {
    connection.ask(fold);
}

// It need not be on the disk at once: it is done again, or is there before what comes after it.
void fold_if_free(Connection &connection) {
    connection.execute("BEGIN; SET LOCAL synchronous_commit = off");
    if (connection.execute(try_fold).text(0, 0) == "t") fold_news(connection);
    connection.execute("COMMIT");
}

void tell_gone(Connection &connection, const std::map<std::int64_t, std::int64_t> &detections_by_advertiser) {
    std::vector<std::int64_t> ids, counts;
    for (const auto &[advertiser, detections] : detections_by_advertiser) {
        ids.push_back(advertiser);
        counts.push_back(-detections);
    }
    const std::vector<std::optional<std::int64_t>> unseen(ids.size());
    connection.queue(insert_gone, Values::of(ids, unseen, counts));
}

void NewsFolder::keep_up() noexcept {
    if (++waiting_ < fold_after) return;
    waiting_ = 0;
    try {
        fold_if_free(connection_);
    } catch (const Error &error) {
        connection_.rollback();
        log_debug(std::string("advertisers are brought up to date later: ") + error.what());
    }
}

}  // namespace ble
