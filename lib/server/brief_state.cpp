#include "server/brief_state.hpp"

#include "base/gzip.hpp"
#include "batch/event.hpp"

namespace ble {

BriefState::Text BriefState::text(bool history, Clock::time_point present) {
    if (text_.plain && present < made_ + fresh) return text_;
    std::string lines = connection_status("state", feed_.subscribers(), now(), history) + "\n";
    for (const Frame &frame : feed_.devices())
        if (const auto line = brief_.of(text_of(frame))) lines.append(*line).append("\n");
    made_ = present;
    text_.packed = std::make_shared<const std::string>(gzip(lines));
    text_.plain = std::make_shared<const std::string>(std::move(lines));
    return text_;
}

}  // namespace ble
