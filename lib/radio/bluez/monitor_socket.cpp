#include "radio/bluez/monitor_socket.hpp"

#include <sys/socket.h>
#include <sys/time.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "base/error.hpp"
#include "radio/air/byte_order.hpp"

namespace ble {

namespace {

// The kernel's interface (net/bluetooth/hci_sock.h, hci_mon.h), which has no header among those for programs.
constexpr int protocol_hci = 1;
constexpr std::uint16_t monitor_channel = 2;
struct HciAddress {
    sa_family_t family;
    std::uint16_t adapter, channel;
};
constexpr std::size_t header_size = 6;  // opcode, adapter, length: little-endian
constexpr std::size_t longest = std::size_t{64} << 10;

// 4 MiB hold about five seconds of 2000 reports a second; the kernel takes the memory only when they wait.
void enlarge_buffer(int fd) {
    const int size = 4 << 20;
    if (::setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) != 0)
        ::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);  // up to net.core.rmem_max
}

std::optional<Time> time_of(msghdr &message) {
    for (auto *part = CMSG_FIRSTHDR(&message); part != nullptr; part = CMSG_NXTHDR(&message, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_TIMESTAMP) continue;
        timeval time{};
        std::memcpy(&time, CMSG_DATA(part), sizeof time);
        return Time(std::chrono::seconds(time.tv_sec) + std::chrono::microseconds(time.tv_usec));
    }
    return {};
}

}  // namespace

MonitorSocket::MonitorSocket() : buffer_(longest) {
    socket_ = UniqueFd(::socket(AF_BLUETOOTH, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol_hci));
    if (!socket_ && (errno == EAFNOSUPPORT || errno == EPROTONOSUPPORT))
        throw Error(ExitCode::unavailable,
                    "this kernel has no Bluetooth, or this container cannot see it; try: modprobe bluetooth");
    const int on = 1;
    const HciAddress address{AF_BLUETOOTH, HciPacket::no_adapter, monitor_channel};
    if (!socket_ ||
        ::bind(socket_.get(), reinterpret_cast<const sockaddr *>(&address), sizeof address) != 0) {
        if (errno != EPERM && errno != EACCES) throw system_error("listen to the Bluetooth monitor channel");
        throw Error(ExitCode::permission,
                    "the Bluetooth monitor channel needs the capability CAP_NET_RAW; try: "
                    "setcap cap_net_raw+ep /path/to/blescan, or in a systemd unit: "
                    "AmbientCapabilities=CAP_NET_RAW, or scan without it: --source bluez");
    }
    if (::setsockopt(socket_.get(), SOL_SOCKET, SO_TIMESTAMP, &on, sizeof on) != 0)
        throw system_error("get the kernel's times of Bluetooth packets");
    enlarge_buffer(socket_.get());
}

std::optional<MonitorPacket> MonitorSocket::next() {
    alignas(cmsghdr) std::array<char, 128> control;
    for (;;) {
        iovec part{buffer_.data(), buffer_.size()};
        msghdr message{};
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        message.msg_control = control.data();
        message.msg_controllen = control.size();
        const auto got = ::recvmsg(socket_.get(), &message, 0);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0 && errno == EAGAIN) return {};
        if (got < 0) throw system_error("read the Bluetooth monitor channel", ExitCode::io);
        const auto size = static_cast<std::size_t>(got);
        if (size < header_size) continue;
        const auto *bytes = buffer_.data();
        const std::size_t length =
            std::min<std::size_t>(load_little<std::uint16_t>(bytes + 4), size - header_size);
        return MonitorPacket{time_of(message).value_or(now()),
                             load_little<std::uint16_t>(bytes),
                             load_little<std::uint16_t>(bytes + 2),
                             {bytes + header_size, length}};
    }
}

// The channel does not support SO_RXQ_OVFL; the socket's memory information has the same counter.
std::uint64_t MonitorSocket::dropped() {
    constexpr std::size_t drops = 8;  // SK_MEMINFO_DROPS
    std::array<std::uint32_t, 16> info{};
    socklen_t size = sizeof info;
    if (::getsockopt(socket_.get(), SOL_SOCKET, SO_MEMINFO, info.data(), &size) == 0) {
        dropped_ += static_cast<std::uint32_t>(info[drops] - last_drops_);
        last_drops_ = info[drops];
    }
    return dropped_;
}

}  // namespace ble
