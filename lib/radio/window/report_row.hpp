// An advertising report as a line for people, in columns.
#pragma once

#include <string>

#include "base/look.hpp"
#include "radio/air/report.hpp"

namespace ble {

struct ReportRowLook {
    Look look;
    int near_dbm = -60, medium_dbm = -75;  // colours of the RSSI
    bool names = false;                    // of identities
};

// Without LF: time (UTC), address and its type, kind, RSSI, how many bytes and the bytes. The kind is that of the Core Specification for
// legacy reports ("ADV_IND"); of extended ones "EXT" and what it is: C connectable, S scannable, D directed, R scan response.
//   06:30:10.123456  c4:f7:c1:4c:c1:c0 random           ADV_IND          -67 dBm  [ 3] 02 01 06
std::string print_report_row(const Report &report, const ReportRowLook &how);

}  // namespace ble
