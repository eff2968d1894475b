// One advertiser large: what it says, and its history at each Pi on one axis of time.
#pragma once

#include <string>
#include <vector>

#include "top/air_model.hpp"
#include "top/page.hpp"

namespace ble {

// `hash`: 64 digits. When the model has forgotten it, that is said.
std::vector<PageLine> advertiser_page(const AirModel &model, const std::string &hash, const Surface &surface,
                                      Instant now);

}  // namespace ble
