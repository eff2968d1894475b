#pragma once

#include <map>
#include <utility>
#include <vector>

#include "store/postgres/connection.hpp"
#include "store/rows/stretch_rows.hpp"

namespace ble {

class PostgresStretches : public StretchRows {
  public:
    explicit PostgresStretches(Connection &connection) : connection_(connection) {}

    // What is to be asked so that at() and after() need not ask: the first time of each series.
    using Times = std::vector<std::pair<Series, std::int64_t>>;
    static Connection::Question question(const Times &windows);
    void know(const Times &windows, const Answer &answer);
    void forget() { known_.clear(); }

    std::optional<Stretch> at(const Series &series, std::int64_t time) override;
    std::optional<Stretch> after(const Series &series, std::int64_t time) override;
    void put(const Series &series, const Stretch &stretch) override;
    void erase(const Series &series, std::int64_t first) override;
    std::vector<std::pair<Series, Stretch>> within(std::int64_t from, std::int64_t until) override;

  private:
    struct Known {
        std::int64_t time;
        std::optional<Stretch> at, after;
    };
    Connection &connection_;
    std::map<Series, Known> known_;  // until the series is written to
};

}  // namespace ble
