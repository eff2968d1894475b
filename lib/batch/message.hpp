// From a message of a transport to lines of a pipe.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace ble {

// The batches in an MQTT payload or an HTTP body, as lines without LF. White space between } and { that holds a LF
// separates batches; any other LF or CR is inside a pretty-printed batch and becomes a blank, at either end it goes.
// All other bytes stay as they are. Empty lines are dropped. Nothing is parsed, no length is checked.
std::vector<std::string> split_message(std::string_view payload);

}  // namespace ble
