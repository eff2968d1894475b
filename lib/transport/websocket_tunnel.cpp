#include "transport/websocket_tunnel.hpp"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "base/error.hpp"

namespace ble {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr std::size_t piece = 16'384;           // that is read at once, from either side
constexpr int rounds_at_once = 64;              // then others have their turn
constexpr std::uint16_t normal_closure = 1000;  // RFC 6455, 7.4.1

std::string authority_of(const MqttServer &server, bool tls) {
    std::string text = server.address();
    const std::string usual = tls ? ":443" : ":80";
    if (text.ends_with(usual)) text.erase(text.size() - usual.size());
    return text;
}

}  // namespace

WebSocketTunnel::WebSocketTunnel(const MqttOptions &options, const MqttServer &server,
                                 const std::string &address)
    : tls_(options.tls),
      proxied_(server.proxy.has_value()),
      far_(options, server, address),
      handshake_(authority_of(server, options.tls), server.path, WebSocketHandshake::make_key()),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      to_far_(handshake_.request()) {
    if (!epoll_) throw system_error("make an epoll");
    watch();
}

WebSocketTunnel::~WebSocketTunnel() {
    close(milliseconds(0));
}

milliseconds WebSocketTunnel::timeout() const {
    if (busy_) return milliseconds(0);
    const auto due = far_.state() == CurlStream::State::opening ? far_.due() : std::nullopt;
    if (!due) return milliseconds(-1);
    return std::max(milliseconds(0), std::chrono::ceil<milliseconds>(*due - Clock::now()));
}

void WebSocketTunnel::step() {
    if (far_.state() == CurlStream::State::opening) far_.step();
    pump();
}

void WebSocketTunnel::join(UniqueFd near) {
    near_ = std::move(near);
    pump();
}

void WebSocketTunnel::close(milliseconds limit) {
    if (state_ == State::opening) return;
    const auto end = Clock::now() + limit;
    for (;;) {
        pump();
        const auto left = std::chrono::ceil<milliseconds>(end - Clock::now());
        if (state_ != State::open || left.count() <= 0) return;
        pollfd ask{fd(), POLLIN, 0};
        if (!busy_) ::poll(&ask, 1, static_cast<int>(left.count()));
    }
}

// All that can be done now.
void WebSocketTunnel::pump() {
    int rounds = rounds_at_once;
    for (bool moved = true; moved && rounds > 0; --rounds) {
        moved = read_far();
        moved = write_near() || moved;
        moved = read_near() || moved;
        moved = write_far() || moved;
    }
    busy_ = rounds == 0;
    watch();
}

bool WebSocketTunnel::read_far() {
    if (state_ == State::ended || !to_near_.empty()) return false;
    std::array<char, piece> bytes;
    const std::size_t size = far_.receive(bytes);
    if (size > 0) take({bytes.data(), size});
    if (far_.state() == CurlStream::State::ended) end(far_.trouble());
    return size > 0;
}

void WebSocketTunnel::take(std::string_view bytes) {
    using Handshake = WebSocketHandshake::State;
    if (state_ == State::open) {
        reader_.take(bytes, to_near_);
    } else if (handshake_.take(bytes) == Handshake::refused) {
        return end(handshake_.trouble());
    } else if (handshake_.state() == Handshake::accepted) {
        state_ = State::open;
        reader_.take(handshake_.rest(), to_near_);
    }
    if (!reader_.end()) return;
    close_code_ = reader_.end()->code;
    end(reader_.end()->why);
}

void WebSocketTunnel::end(const std::string &why) {
    if (state_ == State::ended) return;
    trouble_ = why;
    if (state_ == State::opening && handshake_.silent()) {
        tls_in_doubt_ = tls_ && !proxied_;
        // Who takes the first bytes for something else may as well reset the connection.
        if (far_.socket() >= 0 && (!tls_ || trouble_.empty()))
            trouble_ = std::string("it hangs up instead of answering (") +
                       (tls_ ? "" : "does it want TLS, ") + "is the path right?)";
    } else if (state_ == State::opening && trouble_.empty()) {
        trouble_ = "it hangs up in its answer";
    }
    state_ = State::ended;
}

bool WebSocketTunnel::write_near() {
    if (!near_) return false;
    const ssize_t size =
        to_near_.empty() ? 0
                         : ::send(near_.get(), to_near_.data(), to_near_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (size > 0) to_near_.erase(0, static_cast<std::size_t>(size));
    if (size < 0 && errno != EAGAIN) to_near_.clear();  // nobody is there any more
    if (state_ == State::ended && to_near_.empty() && !std::exchange(near_told_, true))
        ::shutdown(near_.get(), SHUT_WR);
    return size > 0;
}

// Or takes what WebSocket itself has to say: for the server first an answer, last the end.
bool WebSocketTunnel::read_near() {
    if (!to_far_.empty()) return false;
    if (const auto ping = state_ == State::open ? reader_.take_ping() : std::nullopt)
        return !(to_far_ = websocket_pong(*ping)).empty();
    if (const auto code = std::exchange(close_code_, std::uint16_t(0)); code != 0)
        return !(to_far_ = websocket_close(code)).empty();
    if (!near_ || near_ended_) return false;
    std::array<char, piece> bytes;
    const ssize_t size = ::recv(near_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (size < 0 && errno == EAGAIN) return false;
    near_ended_ = size <= 0;
    if (state_ != State::open) return true;  // it goes nowhere
    if (near_ended_)
        close_code_ = normal_closure;
    else
        to_far_ = websocket_binary({bytes.data(), static_cast<std::size_t>(size)});
    return true;
}

bool WebSocketTunnel::write_far() {
    if (to_far_.empty()) return false;
    const std::size_t size = far_.send(std::string_view(to_far_).substr(sent_));
    sent_ += size;
    const bool ended = far_.state() == CurlStream::State::ended;
    if (ended) end(far_.trouble());
    if (ended || sent_ == to_far_.size()) {
        to_far_.clear();
        sent_ = 0;
    }
    return size > 0;
}

void WebSocketTunnel::watch() {
    const auto far = far_.state();
    watch(far_.fd(), watch_dialling_, far == CurlStream::State::opening ? EPOLLIN : 0U);
    const std::uint32_t from_far = state_ != State::ended && to_near_.empty() ? EPOLLIN : 0U;
    const std::uint32_t to_far = to_far_.empty() ? 0U : EPOLLOUT;
    watch(far_.socket(), watch_far_, far == CurlStream::State::open ? from_far | to_far : 0U);
    const std::uint32_t from_near = !near_ended_ && to_far_.empty() ? EPOLLIN : 0U;
    const std::uint32_t to_near = to_near_.empty() ? 0U : EPOLLOUT;
    watch(near_.get(), watch_near_, near_ ? from_near | to_near : 0U);
}

// A descriptor of which nothing is wanted is not watched at all, or its end would wake us again and again.
void WebSocketTunnel::watch(int fd, std::uint32_t &known, std::uint32_t wanted) const {
    if (wanted == known) return;
    epoll_event event{wanted, {}};
    const int what = wanted == 0 ? EPOLL_CTL_DEL : known == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
    if (::epoll_ctl(epoll_.get(), what, fd, &event) != 0 && wanted != 0)
        throw system_error("watch the broker's WebSocket");
    known = wanted;
}

}  // namespace ble
