#include "server/lws_port.hpp"

#include <arpa/inet.h>
#include <libwebsockets.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

#include "base/error.hpp"
#include "server/lws_http.hpp"
#include "server/lws_loop_impl.hpp"

namespace ble {
namespace {

// Of one request: browsers send the cookies of everything that ever ran on this host.
constexpr std::size_t max_headers = 16384;
// Wrong secrets of one address: so many at once and a second, before its connections are served late.
constexpr double guesses_at_once = 5, guesses_a_second = 0.1;
constexpr std::chrono::milliseconds late(2000), sweep_interval(250);
// Before the next try to accept when descriptors or memory have run out.
constexpr std::chrono::milliseconds accept_pause(100);

std::string text_of(const sockaddr_storage &address) {
    std::array<char, INET6_ADDRSTRLEN> text{};
    const void *bytes =
        address.ss_family == AF_INET6
            ? static_cast<const void *>(&reinterpret_cast<const sockaddr_in6 &>(address).sin6_addr)
            : &reinterpret_cast<const sockaddr_in &>(address).sin_addr;
    inet_ntop(address.ss_family, bytes, text.data(), text.size());
    return text.data();
}

// Those that libwebsockets knows by name, a cookie and the address of the page among them.
std::size_t known_headers(lws *wsi) {
    std::size_t length = 0;
    for (int token = 0; token < WSI_TOKEN_COUNT; ++token)
        length += static_cast<std::size_t>(
            std::max(0, lws_hdr_total_length(wsi, static_cast<lws_token_indexes>(token))));
    return length;
}

bool has_body(lws *wsi) {
    return lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH) > 0 ||
           lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_TRANSFER_ENCODING) > 0;
}

void end_soon(lws *wsi) {
    lws_set_timeout(wsi, PENDING_TIMEOUT_KILLED_BY_PARENT, LWS_TO_KILL_ASYNC);
}

std::size_t share_of(const LwsLoop::Config &config, std::size_t most) {
    const auto share = config.max_per_address;
    return std::min(most, share > 0 ? share : std::max<std::size_t>(16, most / 4));
}

}  // namespace

LwsPort::LwsPort(LwsLoop &loop, LwsLoop::Impl &impl, const LwsLoop::Config &config, std::size_t most)
    : loop_(loop),
      impl_(impl),
      config_(config),
      connections_(most, share_of(config, most), config.option),
      guesses_(guesses_a_second, guesses_at_once) {}

void LwsPort::listen(LwsLoop::Handler handler) {
    handler_ = std::move(handler);
    listener_ = open_listener(config_.bind, config_.port, config_.send_buffer, config_.option);
    sweep_timer_ = loop_.timer([this] { sweep(); });
    held_timer_ = loop_.timer([this] { serve_held(); });
    accepting_ = impl_.adopt(listener_.fd.get(), [this] { return accept_all(); });
    resume_timer_ = loop_.timer([this] {
        if (accepting_ != nullptr) lws_rx_flow_control(accepting_, 1);
    });
}

void LwsPort::stop_listening() {
    if (listener_.fd) shutdown(listener_.fd.get(), SHUT_RDWR);  // wakes the loop, which lets go of it
}

std::string LwsPort::url() const {
    return (config_.tls.cert.empty() ? "http://" : "https://") + listener_.address + ":" +
           std::to_string(listener_.port);
}

void LwsPort::note_guess(const std::string &client) {
    if (!config_.proxies.trusts(client)) guesses_.take(network_of(client));
}

bool LwsPort::guesses_too_often(lws *wsi, const std::string &client) const {
    return config_.proxies.trusts(http_peer(wsi)) && guesses_.spent(network_of(client));
}

void LwsPort::answered(lws *wsi) {
    auto *connection = connections_.find(wsi);
    if (connection == nullptr) return;
    const auto idle = connection->too_many() ? std::chrono::seconds(0) : config_.keepalive_timeout;
    connection->deadline = Clock::now() + config_.header_timeout + idle;
}

int LwsPort::on_event(lws *wsi, int reason, void *user, void *in, std::size_t length) {
    if (reason == LWS_CALLBACK_SERVER_NEW_CLIENT_INSTANTIATED) begin(wsi);
    if (Connection *connection = connections_.find(wsi); connection != nullptr) {
        watch_request(wsi, reason, *connection);
        if (reason == LWS_CALLBACK_HTTP || reason == LWS_CALLBACK_HTTP_CONFIRM_UPGRADE)
            if (const auto refused = refuse(wsi, *connection)) return *refused;
    }
    if (reason == LWS_CALLBACK_WSI_DESTROY) connections_.remove(wsi);
    // HTTP/1.1 is what the handlers speak. A server may ignore the wish to go on in HTTP/2 (RFC 7230, 6.7), but
    // libwebsockets would grant it; it knows no wish by this name.
    if (reason == LWS_CALLBACK_HTTP_CONFIRM_UPGRADE &&
        std::strcmp(static_cast<const char *>(in), "h2c") == 0) {
        static_cast<char *>(in)[0] = '-';
        return 0;
    }
    int result = 0;  // after an exception too: of some events libwebsockets does not survive a refusal
    impl_.guard([&] { result = handler_(wsi, reason, user, in, length); });
    return result;
}

void LwsPort::watch_request(lws *wsi, int reason, Connection &connection) {
    if (reason == LWS_CALLBACK_HTTP)
        connection.deadline = has_body(wsi) ? Clock::now() + config_.body_timeout : Connections::never;
    if (reason == LWS_CALLBACK_HTTP_BODY_COMPLETION || reason == LWS_CALLBACK_ESTABLISHED)
        connection.deadline = Connections::never;
}

bool LwsPort::accept_all() {
    for (int n = 0; n < 64; ++n) {  // then others have their turn
        sockaddr_storage address{};
        socklen_t length = sizeof address;
        UniqueFd fd(accept4(listener_.fd.get(), reinterpret_cast<sockaddr *>(&address), &length,
                            SOCK_CLOEXEC | SOCK_NONBLOCK));
        if (fd) {
            serve_connection(std::move(fd), text_of(address));
            continue;
        }
        if (errno == EINVAL) {  // stop_listening()
            accepting_ = nullptr;
            return false;
        }
        if (errno == EAGAIN || errno == EWOULDBLOCK) return true;
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            pause_accepting(errno);
            return true;
        }
    }
    return true;
}

// The connection stays pending and its socket readable: without a pause the loop would spin on it.
void LwsPort::pause_accepting(int reason) {
    if (starved_.due())
        log_warning(std::string("unable to accept connections for now: ") + std::strerror(reason));
    lws_rx_flow_control(accepting_, 0);
    loop_.arm(resume_timer_, accept_pause);
}

void LwsPort::serve_connection(UniqueFd fd, const std::string &address) {
    const bool proxy = config_.proxies.trusts(address);
    Connection connection = connections_.admit(network_of(address), proxy);
    if (connection.too_many()) {
        if (lws *oldest = connections_.give_way(); oldest != nullptr) end_soon(oldest);
        return serve(std::move(fd), connection);
    }
    if (proxy || !guesses_.spent(connection.network)) return serve(std::move(fd), connection);
    if (held_.empty()) loop_.arm(held_timer_, late);
    held_.push_back({std::move(fd), std::move(connection), Clock::now() + late});
}

void LwsPort::serve(UniqueFd fd, const Connection &connection) {
    newcomer_ = &connection;
    lws_sock_file_fd_type descriptor{};
    descriptor.sockfd = fd.release();  // closed by libwebsockets, also when it fails
    const int tls = config_.tls.cert.empty() ? 0 : LWS_ADOPT_ALLOW_SSL;
    lws_adopt_descriptor_vhost(impl_.server,
                               static_cast<lws_adoption_type>(LWS_ADOPT_SOCKET | LWS_ADOPT_HTTP | tls),
                               descriptor, nullptr, nullptr);
    if (std::exchange(newcomer_, nullptr) != nullptr) connections_.dismiss(connection);
}

void LwsPort::serve_held() {
    const auto now = Clock::now();
    while (!held_.empty() && held_.front().due <= now) {
        Held next = std::move(held_.front());
        held_.pop_front();
        serve(std::move(next.fd), next.connection);
    }
    if (!held_.empty())
        loop_.arm(held_timer_, std::chrono::ceil<std::chrono::microseconds>(held_.front().due - now));
}

void LwsPort::begin(lws *wsi) {
    if (newcomer_ == nullptr) return;
    if (connections_.none()) loop_.arm(sweep_timer_, sweep_interval);
    connections_.add(wsi, *std::exchange(newcomer_, nullptr), Clock::now() + config_.header_timeout);
}

// What is decided for every request alike: the value to return from the callback.
std::optional<int> LwsPort::refuse(lws *wsi, const Connection &connection) {
    HttpReply reply;
    if (known_headers(wsi) > max_headers) {
        if (long_headers_.due())
            log_warning("answering 431 to " + http_peer(wsi) + ": its headers are longer than " +
                        std::to_string(max_headers) + " bytes");
        reply = http_error(431, "the headers are longer than " + std::to_string(max_headers) + " bytes");
    } else if (connection.too_many() && !http_path(wsi).ends_with("/health")) {
        connections_.note_refused(connection);
        reply = http_error(503, "too many connections", "retry-after: 1\r\n");
    } else {
        return {};
    }
    reply.close = true;
    return http_answer(wsi, reply);
}

void LwsPort::sweep() {
    for (lws *wsi : connections_.expired(Clock::now())) end_soon(wsi);
    if (!connections_.none()) loop_.arm(sweep_timer_, sweep_interval);
}

}  // namespace ble
