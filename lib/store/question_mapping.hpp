// Rows of lib/store/rows/question_rows.hpp, and what they mean.
#pragma once

#include "store/answers.hpp"
#include "store/rows/question_rows.hpp"

namespace ble {

// Windows that follow each other (lib/store/coverage.hpp), of one place and clock.
struct StretchRow {
    Spot spot;
    std::optional<bool> clock_synced;
    Time first{}, begin{}, last{};
    std::int64_t windows = 0, listened_ms = 0, reach_ms = 0;
};

// Batches that are missing, and between which times they were; one of both is known.
struct GapRow {
    std::string device_id, reason;
    std::optional<Time> from, to;
};

void map(const Columns &row, const Asked &asked, PiState &pi);  // but for its state
void map(const Columns &row, const Asked &asked, Presence &presence);
void map(const Columns &row, const Asked &asked, TrackPoint &point);
void map(const Columns &row, const Asked &asked, Occupied &occupied);  // but for who listened
void map(const Columns &row, const Asked &asked, StretchRow &stretch);
void map(const Columns &row, const Asked &asked, GapRow &gap);
void map(const Columns &row, const Asked &asked, Missing &missing);
void map(const Columns &row, const Asked &asked, TopAdvertiser &advertiser);

}  // namespace ble
