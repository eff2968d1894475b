#pragma once

#include "sqlite/bulk_insert.hpp"
#include "sqlite/database.hpp"
#include "store/rows/batch_rows.hpp"

namespace ble {

class SqliteBatches : public BatchRows {
  public:
    explicit SqliteBatches(Database &database);

    void flush();
    void forget();

    bool insert_hash(std::string_view hash, std::int64_t received_at, std::int64_t lived_s) override;
    std::int64_t insert(const BatchRow &batch) override;
    void insert(const DetectionRow &detection) override;
    std::optional<Held> find(std::int64_t run, std::int64_t seq) override;

  private:
    using Integer = std::int64_t;

    Database &database_;
    Statement insert_batch_, insert_hash_, find_;
    BulkInsert<Integer, Integer, Integer, Integer, int, Integer, std::optional<std::uint32_t>>
        insert_detections_;
    BulkInsert<Integer, Integer, std::string_view> insert_details_;
    BulkInsert<Integer, Integer, Integer> insert_scattered_;
    bool scattered_ = false;  // the batch that was inserted last
};

}  // namespace ble
