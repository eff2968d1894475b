// What a batch says about the scanner itself.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace ble {

// The host name, made to fit the 3 to 50 characters of a device_id: a shorter one is preceded by "host-".
std::string default_device_id();

// Is `text` UTF-8 of that many characters?
bool is_text(std::string_view text, std::size_t least, std::size_t most);

// Does the kernel say that the machine's clock is synchronised (adjtimex)?
bool clock_synced();

}  // namespace ble
