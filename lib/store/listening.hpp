// When Pis listened, and why they did not: from the stretches of their windows and from what is missing.
#pragma once

#include <cstddef>
#include <vector>

#include "store/answers.hpp"
#include "store/question_mapping.hpp"

namespace ble {

// Nothing was heard of a Pi that is in use for three of its intervals and five minutes (as in the view `missing`).
bool is_silent(const PiState &pi, Time present);

// For each of these Pis, in their order: its stretches, and what is between them, from the first time until before the second, by time. `stretches`
// are in any order. Nothing is expected of a Pi before it was first seen, after the present, or after it was removed.
std::vector<CoverageStretch> listening_of(const std::vector<PiState> &pis, std::vector<StretchRow> stretches,
                                          std::vector<GapRow> gaps, Time since, Time until, Time present);

// Leaves the `most` that ended last, in the order that they had. True: there were more.
bool keep_latest(std::vector<CoverageStretch> &rows, std::size_t most);

}  // namespace ble
