#pragma once

#include "sqlite/database.hpp"
#include "store/rows/age_rows.hpp"

namespace ble {

class SqliteAge : public AgeRows {
  public:
    explicit SqliteAge(Database &database);

    AgeRow read() override;
    AgeRow lock() override { return read(); }                     // who writes is alone
    bool is_kept(const std::string &) override { return false; }  // a file is used on one machine
    void write(const AgeRow &row) override;
    std::int64_t newest() override { return newest_.find().value_or(-1); }
    void make_older(std::int64_t by_s, std::int64_t before_s) override;
    void date(std::int64_t lived_s, std::int64_t wall_ms) override;

  private:
    Statement read_, write_, newest_, older_batches_, older_hashes_, older_rollups_, date_batches_,
        date_hashes_, date_rollups_;
};

}  // namespace ble
