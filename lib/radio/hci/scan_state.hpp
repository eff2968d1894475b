// Whether controllers scan, by the commands that they obey: one whose scan is off hears nobody, although it works.
// bluetoothd may pause between two discoveries.
//
// A controller is known when it has reported, or begun or ended a scan. Before that it counts as
// listening, and so does a stream without such commands, for instance of a sniffer. A scan only for the devices of the accept list
// does not hear the room, and does not count.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>

#include "radio/hci/packet.hpp"

namespace ble {

class ScanState {
  public:
    // How long after the end of a scan a controller may still deliver what it had heard. Later reports show that it scans.
    static constexpr std::chrono::milliseconds straggling{250};
    static constexpr std::size_t most_controllers = 256;  // others are not followed

    // From then on one of the controllers at least listens, or none does. Called when that changes, with the packet's time.
    using Tell = std::function<void(bool listens, Time since)>;
    explicit ScanState(Tell tell) : tell_(std::move(tell)) {}

    // The next packet, of whatever kind and controller.
    void read(const HciPacket &packet);

  private:
    struct Controller {
        bool known = false;
        bool on = true;
        bool accept_list_only = false;
        Time since{};  // `on`, or off
        // The last command about its scan that it was given: what it will be, when it succeeds.
        std::uint16_t opcode = 0;
        bool wanted = false;
    };

    Controller *find(const HciPacket &packet);
    void asked(const HciPacket &command);
    void answered(const HciPacket &complete);
    void told(const HciPacket &meta_event);
    void scans(Controller &controller, bool on, Time since);
    void look(Time time);

    Tell tell_;
    bool listens_ = true;
    std::map<std::uint64_t, Controller> controllers_;  // by interface and adapter
};

}  // namespace ble
