// Which bluetoothd is installed here, asked of the program itself since D-Bus does not tell.
#pragma once

#include <string>

namespace ble {

// "5.82"; empty: it was not found, as in a container that uses its host's. Waits for the program.
std::string version_of_bluetoothd();

// Does that bluetoothd take advertisements apart before it compares them with the patterns of advertisement monitors? Since
// 5.69 it does: then service data begins behind its UUID, and lists of UUIDs are not compared. One that is not known does.
bool takes_advertisements_apart(const std::string &version);

}  // namespace ble
