#pragma once

#include <set>

#include "store/postgres/connection.hpp"
#include "store/rows/age_rows.hpp"

namespace ble {

class PostgresAge : public AgeRows {
  public:
    explicit PostgresAge(Connection &connection) : connection_(connection) {}

    void forget() { kept_.clear(); }  // the connection is another one

    AgeRow read() override;
    AgeRow lock() override;
    void write(const AgeRow &row) override;
    bool is_kept(const std::string &boot) override;
    std::int64_t newest() override;
    void make_older(std::int64_t by_s, std::int64_t before_s) override;
    void date(std::int64_t lived_s, std::int64_t wall_ms) override;

  private:
    Connection &connection_;
    std::set<std::string> kept_;  // the starts of the machine for which this session holds the lock
};

}  // namespace ble
