// Advertising reports out of an HCI event (Core Specification 5.4, Vol 4 Part E 7.7.65).
#pragma once

#include <vector>

#include "radio/air/report.hpp"
#include "radio/hci/packet.hpp"

namespace ble {

// Appends the reports of an LE Advertising Report (0x02), Directed Advertising Report (0x0B) or Extended Advertising
// Report (0x0D) to `reports`, in order; their data points into `packet`. All other packets have none.
// False: the event is malformed or cut short; complete reports in it are appended all the same. The
// advertiser's data is not checked.
bool read_reports(const HciPacket &packet, std::vector<Report> &reports);

}  // namespace ble
