#pragma once

#include <map>
#include <set>
#include <utility>
#include <vector>

#include "store/postgres/connection.hpp"
#include "store/postgres/partitions.hpp"
#include "store/rows/batch_rows.hpp"

namespace ble {

// Sends the rows of a transaction by COPY: detections as they come, so that the server works meanwhile, and batches at the end.
class PostgresBatches : public BatchRows {
  public:
    PostgresBatches(Connection &connection, Partitions &partitions)
        : connection_(connection), partitions_(partitions) {}

    // Inserts them now, in the order of all: insert_hash() then tells what came of each, once.
    void expect(std::vector<std::string> hashes, std::int64_t received_at, std::int64_t lived_s);
    // Of these, find() then knows what was there before, where their runs were.
    static Connection::Question question(const std::vector<ExpectedName> &names);
    void know(const Answer &answer);
    void forget();  // what was gathered and not sent
    void lose_ids() { next_id_ = last_id_ = 0; }
    void send();

    bool insert_hash(std::string_view hash, std::int64_t received_at, std::int64_t lived_s) override;
    std::int64_t insert(const BatchRow &batch) override;
    void insert(const DetectionRow &detection) override;
    std::optional<Held> find(std::int64_t run, std::int64_t seq) override;

  private:
    void end_batch();

    Connection &connection_;
    Partitions &partitions_;
    CopyRows batches_, detections_;
    std::set<std::string, std::less<>> new_hashes_, known_hashes_;
    using Name = std::pair<std::int64_t, std::int64_t>;  // run and seq
    std::set<Name> gathered_;                            // of those in batches_
    std::map<Name, std::optional<Held>> known_;          // what was there, of those that were expected
    std::int64_t next_id_ = 0, last_id_ = 0;             // those that are ours to give
    bool open_ = false,
         scattered_ = false;  // the last batch: its row is not complete; its detections are far apart
    std::vector<std::int64_t> times_;
};

}  // namespace ble
