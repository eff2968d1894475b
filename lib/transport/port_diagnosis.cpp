#include "transport/port_diagnosis.hpp"

#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>

#include "transport/steered_lookup.hpp"

namespace ble {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr std::chrono::seconds longest_answer(1);  // to one question

// MQTT 3.1.1: a CONNECT without a client identifier, for a clean session; every broker answers it, welcome or not.
constexpr std::string_view mqtt_question("\x10\x0c\x00\x04MQTT\x04\x02\x00\x0a\x00\x00", 14);
constexpr std::string_view mqtt_answer("\x20\x02", 2), http_answer("HTTP/");

// What comes first after `question`; empty: nothing.
std::string answer_to(std::string_view question, const std::string &address, std::uint16_t port,
                      Clock::time_point end) {
    end = std::min(end, Clock::now() + longest_answer);
    const UniqueFd socket = dial(address, port, end);
    if (!socket || ::send(socket.get(), question.data(), question.size(), MSG_NOSIGNAL) < 0) return {};
    std::array<char, 16> begin{};
    if (!wait_for(socket.get(), POLLIN, end)) return {};
    const auto count = ::recv(socket.get(), begin.data(), begin.size(), 0);
    return count > 0 ? std::string(begin.data(), static_cast<std::size_t>(count)) : std::string();
}

}  // namespace

bool wait_for(int fd, short events, Clock::time_point end) {
    pollfd ask{fd, events, 0};
    const auto left = std::max(milliseconds(0), std::chrono::ceil<milliseconds>(end - Clock::now()));
    return ::poll(&ask, 1, static_cast<int>(left.count())) > 0;
}

UniqueFd dial(const std::string &address, std::uint16_t port, Clock::time_point end) {
    addrinfo hints{}, *list = nullptr;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
    if (look_up_unsteered(address.c_str(), std::to_string(port).c_str(), &hints, &list) != 0) return {};
    UniqueFd socket(::socket(list->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    const bool under_way =
        ::connect(socket.get(), list->ai_addr, list->ai_addrlen) == 0 || errno == EINPROGRESS;
    ::freeaddrinfo(list);
    if (!under_way || !wait_for(socket.get(), POLLOUT, end)) return {};
    return socket;
}

std::string http_question(const std::string &host) {
    return "GET / HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n";
}

Spoken ask_in_plain(const std::string &address, std::uint16_t port, Clock::time_point end) {
    if (answer_to(mqtt_question, address, port, end).starts_with(mqtt_answer)) return Spoken::mqtt;
    if (answer_to(http_question("localhost"), address, port, end).starts_with(http_answer))
        return Spoken::http;
    return Spoken::unknown;
}

}  // namespace ble
