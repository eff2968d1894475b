#pragma once

#include <map>
#include <vector>

#include "store/postgres/connection.hpp"
#include "store/rows/turn_rows.hpp"

namespace ble {

class PostgresTurns : public TurnRows {
  public:
    explicit PostgresTurns(Connection &connection) : connection_(connection) {}

    // What is to be asked so that find() need not ask: each is told once.
    static Connection::Question question(const std::vector<std::int64_t> &devices);
    void know(const std::vector<std::int64_t> &devices, const Answer &answer);
    void forget() { known_.clear(); }

    Turn find(std::int64_t device) override;
    void take(std::int64_t device, const Turn &turn) override;
    void move(std::int64_t device, std::int64_t at) override;
    void meet(const Meeting &meeting) override;
    std::optional<std::int64_t> returns(std::int64_t run) override;
    void set_returns(std::int64_t run, std::int64_t returns) override;
    std::string run_id(std::int64_t run) override;

  private:
    Connection &connection_;
    std::map<std::int64_t, Turn> known_;
};

}  // namespace ble
