#include "blequery/asking.hpp"

#include <algorithm>
#include <iterator>
#include <string_view>

namespace ble {
namespace {

template <class Row>
Found found_of(const Answers<Row> &answers, const QueryOptions &options, const char *which,
               const char *empty) {
    Found found;
    for (const auto &row : answers.rows) found.rows.push_back(fields_of(row));
    if (answers.more)
        found.cut = "there are more than " + std::to_string(options.limits.rows) + " rows: these are " +
                    which + "; --limit allows more";
    if (answers.cut)
        found.deleted =
            "bleingest is deleting a day of that time (--retain-rollups): the answer has only a part of that "
            "day";
    if (!answers.rows.empty()) return found;
    found.why_empty = answers.anybody_listened.value_or(true)
                          ? empty
                          : "nobody listened in that time: silence says nothing; see blequery coverage";
    return found;
}

constexpr char latest[] = "the latest", not_heard[] = "somebody listened, and nobody was heard";

struct Known {
    std::string_view name;
    std::chrono::seconds span;
    Found (*ask)(Questions &questions, const QueryOptions &options);
};

constexpr std::chrono::seconds minute = std::chrono::minutes(1), day = std::chrono::hours(24);

constexpr Known all[] = {
    {"pis", day,
     [](Questions &q, const QueryOptions &o) {
         return found_of(q.pis(o.scope), o, "the first by name", "nothing is stored of any Pi");
     }},
    {"presence", minute,
     [](Questions &q, const QueryOptions &o) {
         return found_of(q.presence(o.scope), o, "the strongest", not_heard);
     }},
    {"track", day,
     [](Questions &q, const QueryOptions &o) {
         return found_of(q.track(o.hashes, o.scope), o, latest, "it was not heard, while somebody listened");
     }},
    {"occupancy", day,
     [](Questions &q, const QueryOptions &o) {
         return found_of(q.occupancy(o.scope), o, latest, not_heard);
     }},
    {"coverage", day,
     [](Questions &q, const QueryOptions &o) {
         return found_of(q.coverage(o.scope), o, latest, "no Pi was there in that time");
     }},
    {"missing", day,
     [](Questions &q, const QueryOptions &o) {
         return found_of(q.missing(o.scope), o, latest, "nothing is missing");
     }},
    {"top", day,
     [](Questions &q, const QueryOptions &o) {
         return found_of(q.top(o.scope), o, "those heard most", not_heard);
     }},
};

const Known *find(const std::string &name) {
    const auto *const found =
        std::find_if(std::begin(all), std::end(all), [&](const Known &one) { return one.name == name; });
    return found == std::end(all) ? nullptr : found;
}

}  // namespace

std::string all_questions() {
    std::string names;
    for (const auto &one : all) names.append(names.empty() ? "" : "|").append(one.name);
    return names;
}

bool is_question(const std::string &name) {
    return find(name) != nullptr;
}

std::chrono::seconds usual_span(const std::string &question) {
    return find(question)->span;
}

Found ask(Questions &questions, const QueryOptions &options) {
    return find(options.question)->ask(questions, options);
}

}  // namespace ble
