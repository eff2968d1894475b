#pragma once

#include "sqlite/database.hpp"
#include "store/rows/turn_rows.hpp"

namespace ble {

class SqliteTurns : public TurnRows {
  public:
    explicit SqliteTurns(Database &database);

    Turn find(std::int64_t device) override;
    void take(std::int64_t device, const Turn &turn) override { take_.run(device, turn.run, turn.at); }
    void move(std::int64_t device, std::int64_t at) override { move_.run(device, at); }
    void meet(const Meeting &meeting) override;
    std::optional<std::int64_t> returns(std::int64_t run) override { return returns_.find(run); }
    void set_returns(std::int64_t run, std::int64_t returns) override { set_returns_.run(run, returns); }
    std::string run_id(std::int64_t run) override;

  private:
    Statement find_, take_, move_, meet_, returns_, set_returns_, run_id_;
};

}  // namespace ble
