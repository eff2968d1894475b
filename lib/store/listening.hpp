// When Pis listened, and why they did not: out of the stretches of their windows and what is known to be missing.
#pragma once

#include <vector>

#include "store/answers.hpp"
#include "store/question_mapping.hpp"

namespace ble {

// Nothing was heard of a Pi that is in use for three of its intervals and five minutes (as in the view `missing`).
bool is_silent(const PiState &pi, Time present);

// Of each of these Pis, in their order: its stretches, and what is between them, from the one time and before the other, by time. `stretches`
// are in any order. A Pi is asked of nothing before it was first seen, nor after the present, nor after it was taken down.
std::vector<CoverageStretch> listening_of(const std::vector<PiState> &pis, std::vector<StretchRow> stretches,
                                          std::vector<GapRow> gaps, Time since, Time until, Time present);

}  // namespace ble
