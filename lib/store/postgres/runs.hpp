#pragma once

#include <map>
#include <utility>

#include "store/postgres/connection.hpp"
#include "store/rows/run_rows.hpp"

namespace ble {

class PostgresRuns : public RunRows {
  public:
    explicit PostgresRuns(Connection &connection) : connection_(connection) {}

    // What is to be asked so that find() need not ask: each is told once.
    using Keys = std::vector<std::pair<std::int64_t, std::string_view>>;
    static Connection::Question question(const Keys &runs);
    void know(const Keys &runs, const Answer &answer);
    void forget() { known_.clear(); }

    std::optional<RunRow> find(std::int64_t device, const std::string &run_id) override;
    std::int64_t insert(std::int64_t device, const std::string &run_id, std::int64_t used_s) override;
    void save(const RunRow &run) override;
    void use(std::int64_t run, std::int64_t used_s) override;
    void name_hash(std::int64_t run, const std::string &hash_id) override;
    std::vector<HolePiece> touching(std::int64_t run, std::int64_t from, std::int64_t to,
                                    std::int64_t most) override;
    std::optional<HolePiece> gap_at(std::int64_t run, std::int64_t seq) override;
    void insert_gap(std::int64_t run, const HolePiece &piece) override;
    void delete_gap(std::int64_t run, std::int64_t from) override;
    void close(std::int64_t run, std::int64_t open_from, const Bound &end) override;
    std::int64_t holes(std::int64_t device) override;
    void set_holes(std::int64_t device, std::int64_t holes) override;

  private:
    Connection &connection_;
    std::map<std::pair<std::int64_t, std::string>, std::optional<RunRow>> known_;
};

}  // namespace ble
