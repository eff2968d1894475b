// A store read from its beginning to its end, as lines (batch/archive.hpp): what it knows of its devices, each batch in the order in which it
// was stored, and what it knows of its runs. Another store that gets all lines has and knows the same.
//
// It is read in small steps, each of one moment. What is stored meanwhile may be among the lines: of SQLite all of it that comes before
// the end is; of PostgreSQL, whose writers number batches in blocks, some of it may be passed over, and a second run has it. Batches
// that retention deletes meanwhile are not. Runs come after their batches: a store that knows a batch confirms a repetition of it, and
// must have it by then. What is stored while they are read comes at the very end.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/timestamp.hpp"
#include "batch/batch.hpp"
#include "store/rows/archive_rows.hpp"

namespace ble {

// How far an archive is read: the last batch that was, and what it is, so that it is known again.
struct ArchivePlace {
    std::int64_t id = 0, received_at = 0;
    std::string device_id;
};

struct ArchiveFilter {
    std::vector<std::string> devices;  // empty: all
    std::optional<Time> since, until;  // of batches, by their time of receipt: from the one, before the other
};

struct ArchiveLine {
    std::string text;                        // without LF
    std::optional<ArchivePlace> place = {};  // of a batch
    std::size_t detections = 0;
};

// One thread. Throws StoreTrouble when it cannot be read for now: next() goes on where it was.
class Archive {
  public:
    Archive(std::unique_ptr<ArchiveRows> rows, ArchiveFilter filter);

    // After that batch. False: it is not there, or is another one, and all are read.
    bool go_to(const ArchivePlace &place);

    // One step: some more lines, or none. What is too long for a line is told to `on_too_long`, by its name.
    std::vector<ArchiveLine> next();
    std::function<void(const std::string &name)> on_too_long;
    bool ended() const { return at_.part == Part::end; }  // that were all

    // From 0 to 1: how much of the batches that were there at the start is read.
    double share() const;

  private:
    enum class Part { devices, batches, runs, late_batches, end };

    std::vector<ArchiveLine> read_devices();
    std::vector<ArchiveLine> read_runs();
    void read_run(const ArchivedRunRow &row, std::vector<ArchiveLine> &lines);
    std::vector<ArchiveLine> read_batches();
    bool wanted(const std::string &device_id) const;
    bool wanted(const ArchivedRow &row) const;
    std::optional<ArchiveLine> line_of(const ArchivedRow &row, Batch &&batch, std::int64_t lived_s) const;

    std::unique_ptr<ArchiveRows> rows_;
    ArchiveFilter filter_;
    struct Position {
        Part part = Part::devices;
        std::int64_t run = 0, batch = 0;  // the last ones that were read
    };
    Position at_;
    std::int64_t first_ = 0, last_ = 0;  // ids of batches at the start
    std::int64_t batches_a_step_ = 20;
};

// As make_store() of store.hpp, for reading alone.
std::unique_ptr<Archive> open_archive(const std::string &name, ArchiveFilter filter,
                                      const std::function<bool()> &go_on = {});

}  // namespace ble
