// Runs and the holes in them, as the tables runs and gaps have them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "store/pieces.hpp"

namespace ble {

struct RunRow {
    std::int64_t id = 0, next_seq = 0, used_s = 0;
    Bound last = {};                             // the end of the last window that is known of
    std::optional<std::int64_t> open_from = {};  // from which seq on the ends of holes are not known yet
};

class RunRows {
  public:
    virtual ~RunRows() = default;

    virtual std::optional<RunRow> find(std::int64_t device, const std::string &run_id) = 0;
    virtual std::int64_t insert(std::int64_t device, const std::string &run_id, std::int64_t used_s) = 0;
    virtual void save(const RunRow &run) = 0;  // all but used_s
    virtual void use(std::int64_t run, std::int64_t used_s) = 0;
    virtual void name_hash(std::int64_t run, const std::string &hash_id) = 0;  // unless it has one

    // Those that overlap from … to or adjoin it, in order; at most that many.
    virtual std::vector<HolePiece> touching(std::int64_t run, std::int64_t from, std::int64_t to,
                                            std::int64_t most) = 0;
    // The last one that begins at or before `seq`.
    virtual std::optional<HolePiece> gap_at(std::int64_t run, std::int64_t seq) = 0;
    virtual void insert_gap(std::int64_t run, const HolePiece &piece) = 0;
    virtual void delete_gap(std::int64_t run, std::int64_t from) = 0;
    // Ends those without an end from the one on that holds `open_from`, as between() of lost_span.hpp does.
    virtual void close(std::int64_t run, std::int64_t open_from, const Bound &end) = 0;

    virtual std::int64_t holes(std::int64_t device) = 0;  // how many rows it has in gaps
    virtual void set_holes(std::int64_t device, std::int64_t holes) = 0;
};

}  // namespace ble
