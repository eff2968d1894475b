// The two tables: advertisers, and Pis.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "top/air_model.hpp"
#include "top/page.hpp"
#include "top/table_view.hpp"

namespace ble {

// Names of their columns in order, as --sort and the keys 1 to 9 have them.
const std::vector<std::string> &advertiser_columns();
const std::vector<std::string> &pi_columns();

// A heading and at most `rows` rows as wide as the surface; `shown`: how many the filter lets through.
struct TablePart {
    std::vector<PageLine> lines;
    std::size_t shown = 0;
};
TablePart advertiser_table(const AirModel &model, TableView &view, const Surface &surface, std::size_t rows,
                           Instant now);
TablePart pi_table(const AirModel &model, TableView &view, const Surface &surface, std::size_t rows,
                   Instant now);

Style style_of(Zone zone);

}  // namespace ble
