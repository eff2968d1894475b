#pragma once

#include "sqlite/database.hpp"
#include "store/rows/run_rows.hpp"

namespace ble {

class SqliteRuns : public RunRows {
  public:
    explicit SqliteRuns(Database &database);

    std::optional<RunRow> find(std::int64_t device, const std::string &run_id) override;
    std::int64_t insert(std::int64_t device, const std::string &run_id, std::int64_t used_s) override;
    void save(const RunRow &run) override;
    void use(std::int64_t run, std::int64_t used_s) override { use_.run(run, used_s); }
    void name_hash(std::int64_t run, const std::string &hash_id) override { name_hash_.run(run, hash_id); }
    std::vector<HolePiece> touching(std::int64_t run, std::int64_t from, std::int64_t to,
                                    std::int64_t most) override;
    std::optional<HolePiece> gap_at(std::int64_t run, std::int64_t seq) override;
    void insert_gap(std::int64_t run, const HolePiece &piece) override;
    void delete_gap(std::int64_t run, std::int64_t from) override { delete_gap_.run(run, from); }
    void close(std::int64_t run, std::int64_t open_from, const Bound &end) override;
    std::int64_t holes(std::int64_t device) override { return holes_.find(device).value_or(0); }
    void set_holes(std::int64_t device, std::int64_t holes) override { set_holes_.run(device, holes); }

  private:
    Statement find_, insert_, save_, use_, name_hash_, touching_, gap_at_, insert_gap_, delete_gap_, close_,
        holes_, set_holes_;
};

}  // namespace ble
