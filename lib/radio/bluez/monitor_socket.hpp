// The kernel's Bluetooth monitor channel (HCI_CHANNEL_MONITOR), which btmon(1) also shows: every HCI packet of every
// adapter, whoever scans. It only listens: somebody else must start discovery.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/unique_fd.hpp"
#include "radio/hci/packet.hpp"

namespace ble {

class MonitorSocket {
  public:
    // Listens from now on. The kernel begins with packets that name itself and the adapters that are there.
    // Error(permission) without the capability CAP_NET_RAW, Error(unavailable) when the kernel has no Bluetooth.
    MonitorSocket();

    int fd() const { return socket_.get(); }
    // The next packet; its data is valid until the next call. Empty: none now. Never blocks.
    std::optional<MonitorPacket> next();
    // How many packets the kernel has dropped since we listen, because they were not fetched in time.
    std::uint64_t dropped();

  private:
    UniqueFd socket_;
    std::vector<std::uint8_t> buffer_;
    std::uint32_t last_drops_ = 0;  // the kernel's counter, which wraps
    std::uint64_t dropped_ = 0;
};

}  // namespace ble
