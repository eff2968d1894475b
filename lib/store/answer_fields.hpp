// An answer's row as named values: what JSON, CSV and tables are printed from, so that names stand in one place. The names are those of
// blepipe-batch(5) and of the views; man/blequery.1 says what they mean.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "store/answers.hpp"

namespace ble {

struct Field {
    // monostate: not known, or not of this row. A time is UTC; a double has one digit behind the point.
    using Value = std::variant<std::monostate, std::int64_t, double, bool, std::string, Time>;
    std::string_view name;  // lives for ever
    Value value;
};
using Fields = std::vector<Field>;

// The same names in the same order for each row of an answer.
Fields fields_of(const PiState &pi);
Fields fields_of(const Presence &presence);
Fields fields_of(const TrackPoint &point);
Fields fields_of(const Occupied &occupied);
Fields fields_of(const CoverageStretch &stretch);
Fields fields_of(const Missing &missing);
Fields fields_of(const TopAdvertiser &advertiser);

// One JSON object, without LF; members whose value is not known are left out.
std::string print_json(const Fields &fields);
// As in JSON, but without quotes: a time as RFC 3339, true and false; nothing for what is not known.
std::string plain_text(const Field::Value &value);

}  // namespace ble
