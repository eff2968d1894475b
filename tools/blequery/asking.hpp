// The questions by their names on the command line.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "blequery/options.hpp"
#include "store/answer_fields.hpp"

namespace ble {

std::string all_questions();  // "pis|presence|…"
bool is_question(const std::string &name);
// How far back a question goes when nobody says it.
std::chrono::seconds usual_span(const std::string &question);

struct Found {
    std::vector<Fields> rows;
    std::string cut;        // what to say when there are more
    std::string deleted;    // what to say when a part is deleted
    std::string why_empty;  // of no rows: nothing was heard, or nobody listened
};

// Throws as Questions does.
Found ask(Questions &questions, const QueryOptions &options);

}  // namespace ble
