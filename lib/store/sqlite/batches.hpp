#pragma once

#include "sqlite/bulk_insert.hpp"
#include "sqlite/database.hpp"
#include "store/rows/batch_rows.hpp"
#include "store/sqlite/recent.hpp"

namespace ble {

class SqliteBatches : public BatchRows {
  public:
    // Both are borrowed; `recent` learns what is stored.
    SqliteBatches(Database &database, SqliteRecent &recent);

    void flush();
    void forget();

    bool insert_hash(std::string_view hash, std::int64_t received_at, std::int64_t lived_s) override;
    std::int64_t insert(const BatchRow &batch) override;
    void insert(const DetectionRow &detection) override;
    std::optional<Held> find(std::int64_t run, std::int64_t seq) override;

  private:
    using Integer = std::int64_t;

    Database &database_;
    SqliteRecent &recent_;
    Statement insert_batch_, insert_hash_, find_;
    BulkInsert<Integer, Integer, Integer, Integer, Integer> insert_detections_;
    BulkInsert<Integer, Integer, std::string_view> insert_details_;
    BulkInsert<Integer, Integer, Integer> insert_scattered_;
    std::int64_t added_ = 0;  // detections since flush()
    bool scattered_ = false;  // the batch that was inserted last
};

}  // namespace ble
