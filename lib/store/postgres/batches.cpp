#include "store/postgres/batches.hpp"

#include <algorithm>

#include "store/scattered.hpp"

namespace ble {
namespace {

constexpr std::int64_t ids_at_once = 1000;  // batch_ids' increment
constexpr std::size_t worth_sending = 32 * 1024;

constexpr Query take_ids{"SELECT nextval('batch_ids')"};
constexpr Query insert_hashes{
    "INSERT INTO batch_hashes (hash, received_at, lived_s) SELECT hash, $2::bigint, $3::bigint FROM "
    "unnest($1::bytea[]) AS hash"
    " ORDER BY hash ON CONFLICT DO NOTHING RETURNING hash"};
constexpr Query find_one{
    "SELECT digest, senders.sender FROM batches LEFT JOIN senders ON senders.id = batches.sender"
    " WHERE run = $1::bigint AND seq = $2::bigint"};
// LATERAL, so that each is looked up by its name: without statistics another way would read all batches there are.
constexpr Query find_names{
    "SELECT runs.id, asked.seq, held.digest, senders.sender, held.id"
    " FROM unnest($1::bigint[], $2::text[], $3::bigint[]) AS asked (device, run_id, seq)"
    " CROSS JOIN LATERAL (SELECT id FROM runs WHERE device = asked.device AND run_id = asked.run_id LIMIT 1) "
    "AS runs"
    " LEFT JOIN LATERAL (SELECT id, digest, sender FROM batches WHERE run = runs.id AND seq = asked.seq "
    "LIMIT 1) AS held ON true"
    " LEFT JOIN senders ON senders.id = held.sender"};

constexpr char copy_batches[] =
    "COPY batches (id, device, run, seq, timestamp, received_at, place, window_ms, interval_ms, oldest, "
    "newest, near, medium, far,"
    " lived_s, sender, clock, digest, times) FROM STDIN (FORMAT binary)";
constexpr char copy_detections[] =
    "COPY detections (timestamp, batch, advertiser, count, n, rssi, zone, details) FROM STDIN (FORMAT "
    "binary)";
constexpr std::int16_t batch_columns = 19, detection_columns = 8;

}  // namespace

void PostgresBatches::expect(std::vector<std::string> hashes, std::int64_t received_at,
                             std::int64_t lived_s) {
    if (hashes.empty()) return;
    std::vector<Values::Bytes> asked;
    asked.reserve(hashes.size());
    for (const auto &hash : hashes) asked.push_back({hash});
    const Answer answer = connection_.ask(insert_hashes, Values::of(asked, received_at, lived_s));
    for (int row = 0; row < answer.rows(); ++row) new_hashes_.insert(bytes_of(answer.text(row, 0)));
    for (auto &hash : hashes) known_hashes_.insert(std::move(hash));
}

bool PostgresBatches::insert_hash(std::string_view hash, std::int64_t received_at, std::int64_t lived_s) {
    if (const auto found = new_hashes_.find(hash); found != new_hashes_.end()) {
        new_hashes_.erase(found);
        return true;
    }
    if (known_hashes_.contains(hash)) return false;
    const std::vector<Values::Bytes> one{{hash}};
    return connection_.ask(insert_hashes, Values::of(one, received_at, lived_s)).rows() > 0;
}

void PostgresBatches::forget() {
    batches_.clear();
    detections_.clear();
    new_hashes_.clear();
    known_hashes_.clear();
    known_.clear();
    times_.clear();
    gathered_.clear();
    open_ = false;
}

std::int64_t PostgresBatches::insert(const BatchRow &batch) {
    end_batch();
    if (next_id_ == last_id_) {
        next_id_ = connection_.ask(take_ids).integer(0, 0);
        last_id_ = next_id_ + ids_at_once;
    }
    const auto id = next_id_++;
    batches_.begin_row(batch_columns);
    batches_.add(id);
    batches_.add(batch.device);
    batches_.add(batch.run);
    batches_.add(batch.seq);
    batches_.add(batch.timestamp);
    batches_.add(batch.received_at);
    batches_.add(batch.place);
    batches_.add(batch.window_ms);
    batches_.add(batch.interval_ms);
    batches_.add(batch.oldest);
    batches_.add(batch.newest);
    batches_.add(batch.near);
    batches_.add(batch.medium);
    batches_.add(batch.far);
    batches_.add(batch.lived_s);
    batches_.add(batch.sender);
    if (batch.clock) {
        batches_.add_small(*batch.clock ? 1 : 0);
    } else {
        batches_.add_null();
    }
    if (batch.digest) {
        batches_.add(*batch.digest);
    } else {
        batches_.add_null();
    }
    if (batch.run) {
        gathered_.emplace(*batch.run, *batch.seq);
        known_.erase({*batch.run, *batch.seq});
    }
    open_ = true;
    scattered_ = batch.oldest && are_scattered(*batch.oldest, *batch.newest);
    if (batch.oldest) partitions_.note(*batch.oldest, *batch.newest);
    return id;
}

// The last column is known when its detections are.
void PostgresBatches::end_batch() {
    if (!open_) return;
    open_ = false;
    if (scattered_) {
        batches_.add(times_);
    } else {
        batches_.add_null();
    }
    times_.clear();
}

void PostgresBatches::insert(const DetectionRow &row) {
    detections_.begin_row(detection_columns);
    detections_.add(row.timestamp);
    detections_.add(row.batch);
    detections_.add(row.advertiser);
    detections_.add(row.count);
    detections_.add_int(static_cast<std::int32_t>(row.n));
    detections_.add_small(static_cast<std::int16_t>(row.rssi));
    detections_.add_small(static_cast<std::int16_t>(row.zone));
    if (row.details.empty()) {
        detections_.add_null();
    } else {
        detections_.add(row.details);
    }
    if (scattered_) times_.push_back(row.timestamp);
    if (detections_.bytes().size() < worth_sending) return;
    connection_.copy(copy_detections, detections_);
    detections_.clear();
}

void PostgresBatches::send() {
    end_batch();
    if (detections_.rows() > 0) connection_.copy(copy_detections, detections_);
    if (batches_.rows() > 0) connection_.copy(copy_batches, batches_);
    detections_.clear();
    batches_.clear();
    gathered_.clear();
}

Connection::Question PostgresBatches::question(const std::vector<ExpectedName> &names) {
    std::vector<std::int64_t> devices, seqs;
    std::vector<std::string_view> runs;
    for (const auto &name : names) {
        devices.push_back(name.device);
        runs.push_back(name.run_id);
        seqs.push_back(name.seq);
    }
    return {find_names, Values::of(devices, runs, seqs)};
}

void PostgresBatches::know(const Answer &answer) {
    for (int row = 0; row < answer.rows(); ++row) {
        auto &held = known_[{answer.integer(row, 0), answer.integer(row, 1)}];
        if (!answer.is_null(row, 4)) held = {bytes_of(answer.text(row, 2)), std::string(answer.text(row, 3))};
    }
}

std::optional<BatchRows::Held> PostgresBatches::find(std::int64_t run, std::int64_t seq) {
    if (gathered_.contains({run, seq})) send();  // what it is compared with
    if (const auto known = known_.find({run, seq}); known != known_.end()) return known->second;
    const Answer answer = connection_.ask(find_one, Values::of(run, seq));
    if (answer.rows() == 0) return {};
    return Held{bytes_of(answer.text(0, 0)), std::string(answer.text(0, 1))};
}

}  // namespace ble
