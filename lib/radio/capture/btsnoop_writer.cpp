#include "radio/capture/btsnoop_writer.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/file.hpp"
#include "base/log.hpp"
#include "radio/capture/capture_format.hpp"

namespace ble {

namespace {

constexpr std::uint32_t version = 1, linux_monitor = 2001;
constexpr std::uint16_t note_opcode = 12;
constexpr std::size_t enough = std::size_t{64} << 10;

template <class T>
void append_big(std::vector<std::uint8_t> &out, T value) {
    for (std::size_t i = sizeof(T); i-- > 0;)
        out.push_back(static_cast<std::uint8_t>(static_cast<std::uint64_t>(value) >> (8 * i)));
}

}  // namespace

BtsnoopWriter::BtsnoopWriter(const std::string &path) : path_(path) {
    file_ = UniqueFd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!file_ && errno == EEXIST)
        throw Error(ExitCode::unavailable,
                    path + " exists, and a recording is not overwritten: give another name");
    if (!file_) throw file_error("make", path, ExitCode::unavailable);
    constexpr std::string_view magic{"btsnoop\0", 8};
    buffer_.assign(magic.begin(), magic.end());
    append_big(buffer_, version);
    append_big(buffer_, linux_monitor);
}

BtsnoopWriter::~BtsnoopWriter() {
    flush();
}

void BtsnoopWriter::write(const MonitorPacket &packet, std::uint64_t drops) {
    if (failed_) return;
    const auto length = static_cast<std::uint32_t>(packet.data.size());
    append_big(buffer_, length);  // of the packet …
    append_big(buffer_, length);  // … and of what is here of it
    append_big(buffer_, std::uint32_t{packet.adapter} << 16 | packet.opcode);
    append_big(buffer_, static_cast<std::uint32_t>(drops));
    append_big(buffer_, packet.timestamp.time_since_epoch().count() + btsnoop_epoch);
    buffer_.insert(buffer_.end(), packet.data.begin(), packet.data.end());
    if (buffer_.size() >= enough) flush();
}

void BtsnoopWriter::note(Time time, const std::string &text) {
    const auto *bytes = reinterpret_cast<const std::uint8_t *>(text.c_str());
    write({time, note_opcode, HciPacket::no_adapter, {bytes, text.size() + 1}}, 0);
}

void BtsnoopWriter::flush() {
    if (failed_) return;
    for (std::size_t done = 0; done < buffer_.size();) {
        const auto wrote = ::write(file_.get(), buffer_.data() + done, buffer_.size() - done);
        if (wrote > 0) {
            done += static_cast<std::size_t>(wrote);
        } else if (wrote == 0 || errno != EINTR) {
            failed_ = true;
            log_error("unable to write " + path_ + ": " + (wrote == 0 ? "no space" : std::strerror(errno)) +
                      "; the recording ends here, the scan goes on");
            if (::ftruncate(file_.get(), static_cast<off_t>(size_)) != 0)
                log_warning(path_ + " ends inside a record");
            return;
        }
    }
    size_ += buffer_.size();
    buffer_.clear();
}

}  // namespace ble
