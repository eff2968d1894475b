#pragma once

#include "store/postgres/connection.hpp"
#include "store/rows/age_rows.hpp"

namespace ble {

class PostgresAge : public AgeRows {
  public:
    explicit PostgresAge(Connection &connection) : connection_(connection) {}

    AgeRow read() override;
    AgeRow lock() override;
    void write(const AgeRow &row) override;
    bool is_kept(const std::string &boot) override;
    std::int64_t newest() override;
    void make_older(std::int64_t by_s, std::int64_t before_s) override;
    void date(std::int64_t lived_s, std::int64_t wall_ms) override;

  private:
    Connection &connection_;
};

}  // namespace ble
