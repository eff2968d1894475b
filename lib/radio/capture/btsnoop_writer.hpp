// Writes what the monitor channel says as a btsnoop file of data link 2001, as btmon -w does: for blescan --replay,
// btmon -r and Wireshark.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/unique_fd.hpp"
#include "radio/hci/packet.hpp"

namespace ble {

// What blescan notes in its recordings: a replay has windows only while it listened.
constexpr const char *note_recording = "blescan: recording";
constexpr const char *note_listening = "blescan: listening";
constexpr const char *note_not_listening = "blescan: not listening";

class BtsnoopWriter {
  public:
    // Makes the file, for its owner only: there are addresses in it. Error(unavailable) when it cannot be made, or exists.
    explicit BtsnoopWriter(const std::string &path);
    // Writes what is left, and says so when it cannot.
    ~BtsnoopWriter();
    BtsnoopWriter(const BtsnoopWriter &) = delete;
    BtsnoopWriter &operator=(const BtsnoopWriter &) = delete;

    // `drops`: packets lost so far. Gathers up to 64 KiB.
    void write(const MonitorPacket &packet, std::uint64_t drops);
    // A note for readers (opcode 12).
    void note(Time time, const std::string &text);
    // After trouble, a full disk for instance, the file is cut behind its last whole record and nothing more is written;
    // it is logged once.
    void flush();
    bool failed() const { return failed_; }

  private:
    std::string path_;
    UniqueFd file_;
    std::vector<std::uint8_t> buffer_;
    std::uint64_t size_ = 0;  // of the file, up to the last whole record
    bool failed_ = false;
};

}  // namespace ble
