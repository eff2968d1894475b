// Lines of a pipe or of a server, events or batches, on their way into the model.
#pragma once

#include <string_view>

#include "batch/event_parts.hpp"
#include "top/air_model.hpp"

namespace ble {

class Intake {
  public:
    explicit Intake(AirModel &model) : model_(model) {}

    // False: neither an event nor a batch. Events of kinds that say nothing of advertisers or Pis pass.
    bool take(std::string_view line, const Moment &came);

  private:
    bool take_batch(std::string_view line, const Moment &came);
    bool take_event(const EventParts &event, const Moment &came);

    AirModel &model_;
    BatchParser parser_;
    EventSplitter splitter_;
};

}  // namespace ble
