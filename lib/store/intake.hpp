// From the lines of one look to the store: what to store, what is rejected and why, and which events follow.
#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/looking_reader.hpp"
#include "batch/batch.hpp"
#include "batch/reject_file.hpp"
#include "store/store.hpp"

namespace ble {

class Intake {
  public:
    struct Counts {
        std::uint64_t batches = 0, detections = 0, duplicates = 0, conflicts = 0;

        Counts &operator+=(const Counts &more) {
            batches += more.batches;
            detections += more.detections;
            duplicates += more.duplicates;
            conflicts += more.conflicts;
            return *this;
        }
    };

    // A batch with more detections than that is set aside.
    explicit Intake(std::size_t most_advertisers = 10'000,
                    BatchParser::Takes takes = BatchParser::Takes::lines)
        : parser_(takes), most_advertisers_(most_advertisers) {}

    // Parses the first of the lines, which must live until the last call for them: as many as the store may handle in one
    // transaction, at least one. Returns how many.
    std::size_t read(std::span<const Line> lines);

    const std::vector<StoreItem> &items() const { return items_; }  // to be stored
    std::size_t torn() const { return torn_; }  // unterminated tails that are no valid batch
    std::size_t lines() const { return lines_; }

    // After items() were stored. Rejected: lines, and single detections of stored batches; duplicates are not rejected again.
    std::vector<Rejected> rejected(const StoreResult &result) const;
    // One for each newly stored batch, in order, for each hole found or labelled, and for two at once; none for what is archived.
    std::vector<std::string> events(const StoreResult &result) const;
    Counts counts(const StoreResult &result) const;

  private:
    void read(const Line &line);
    void read(const Line &line, ParsedLine parsed);
    void set_aside(const Line &line, InvalidLine invalid);
    // A gap line that nobody sent: it labels the hole that a rejected line leaves.
    static bool ours(const StoreItem &item) { return item.line.empty(); }

    BatchParser parser_;
    std::deque<ParsedLine> parsed_;  // stable addresses: items_ points into it
    std::vector<StoreItem> items_;
    std::vector<const ParsedBatch *> batches_;  // for each item; null: a gap
    std::vector<Rejected> invalid_;
    std::size_t most_advertisers_, torn_ = 0, lines_ = 0, work_ = 0;
};

}  // namespace ble
