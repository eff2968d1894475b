// The version of the installed bluetoothd, asked of the program itself, because D-Bus does not have it.
#pragma once

#include <string>

namespace ble {

// "5.82"; empty: it was not found, as in a container that uses its host's. Waits for the program.
std::string version_of_bluetoothd();

// Does that bluetoothd parse advertisements before it compares them with the patterns of advertisement monitors? Since
// 5.69 it does: then service data begins behind its UUID, and lists of UUIDs are not compared. An unknown version: yes.
bool takes_advertisements_apart(const std::string &version);

}  // namespace ble
