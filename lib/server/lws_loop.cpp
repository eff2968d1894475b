#include "server/lws_loop.hpp"

#include <fcntl.h>
#include <libwebsockets.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <exception>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/unique_fd.hpp"
#include "server/listener.hpp"

namespace ble {
namespace {

// Beside the clients: standard streams, the context's own descriptors, those watched, files being served.
constexpr rlim_t spare_descriptors = 64;
constexpr rlim_t most_descriptors = 65536;
// Of one request: browsers send the cookies of everything that ever ran on this host.
constexpr unsigned short max_headers = 16384;
// Given to send(2) at once. By default that is the receive buffer's size: longer messages would be copied and sent in parts.
constexpr std::size_t longest_write = 1u << 20;
// Before the next try to accept when descriptors or memory have run out.
constexpr std::chrono::milliseconds accept_pause(100);

struct Watched {
    std::function<bool()> readable;  // false: watch it no longer
};

struct TimerEntry : lws_sorted_usec_list {
    LwsLoop::Impl *loop;
    std::function<void()> expired;
};

void log_library(int level, const char *text) {
    std::string_view line(text);
    while (!line.empty() && line.back() == '\n') line.remove_suffix(1);
    log((level & LLL_ERR) != 0 ? LogLevel::warning : LogLevel::debug, "libwebsockets: " + printable(line));
}

// libwebsockets allocates tables by the limit of descriptors, which containers set to a thousand million.
std::size_t fit_descriptors(std::size_t clients) {
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0) throw system_error("learn the limit of open descriptors");
    const rlim_t wanted = clients + spare_descriptors;
    rlim_t fitting = std::min(limit.rlim_cur, std::max(wanted, most_descriptors));
    if (fitting < wanted) fitting = std::min(limit.rlim_max, wanted);
    if (fitting != limit.rlim_cur) {
        limit.rlim_cur = fitting;
        if (setrlimit(RLIMIT_NOFILE, &limit) < 0) throw system_error("set the limit of open descriptors");
    }
    if (fitting >= wanted) return clients;
    const std::size_t possible = fitting > spare_descriptors ? fitting - spare_descriptors : 1;
    log_warning("at most " + std::to_string(possible) +
                " clients: the limit of open descriptors (ulimit -n) is " + std::to_string(fitting));
    return possible;
}

void check_readable(const std::string &path, const char *what) {
    const UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file) throw system_error(std::string("read the ") + what + " " + path, ExitCode::config);
}

void refuse_connection(int fd, bool plain) {
    static constexpr std::string_view answer =
        "HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\nconnection: close\r\ncontent-length: "
        "0\r\n\r\n";
    if (!plain) return;
    (void)!send(fd, answer.data(), answer.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    shutdown(fd, SHUT_WR);
    char request[4096];  // closing with unread bytes would reset the connection before the answer is read
    (void)!recv(fd, request, sizeof request, MSG_DONTWAIT);
}

}  // namespace

struct LwsLoop::Impl {
    Config config;
    std::size_t max_clients;
    lws_context *context = nullptr;
    lws_vhost *watcher = nullptr, *server = nullptr;
    std::vector<std::unique_ptr<Watched>> watched;
    std::vector<std::unique_ptr<TimerEntry>> timers;
    std::vector<Protocol> protocols;
    std::vector<lws_protocols> table;
    std::unordered_set<const lws *> connections;
    Listener listener;
    LwsLoop *owner;
    lws *accepting = nullptr;  // the listening socket, while it is watched
    Timer resume_timer = 0;
    Throttle starved, crowded;
    std::uint64_t refused = 0;
    bool stopped = false;
    std::exception_ptr failure;

    void stop() {
        stopped = true;
        // Timers run before libwebsockets waits, for up to 30 s: let it not wait.
        if (context != nullptr) lws_cancel_service(context);
    }

    Impl(const Config &c, LwsLoop *loop)
        : config(c), max_clients(fit_descriptors(c.max_clients)), owner(loop) {}

    template <class Body>
    void guard(const Body &body) noexcept {
        try {
            body();
        } catch (...) {
            if (!failure) failure = std::current_exception();
            stop();
        }
    }

    lws *adopt(int fd, std::function<bool()> readable);
    bool accept_all();
    void pause_accepting(int reason);
    void serve_connection(UniqueFd fd);

    static Impl &of(lws *wsi) { return *static_cast<Impl *>(lws_context_user(lws_get_context(wsi))); }
    static int on_watched(lws *wsi, lws_callback_reasons reason, void *, void *, std::size_t);
    static int on_connection(lws *wsi, lws_callback_reasons reason, void *user, void *in, std::size_t length);
};

int LwsLoop::Impl::on_watched(lws *wsi, lws_callback_reasons reason, void *, void *, std::size_t) {
    if (reason != LWS_CALLBACK_RAW_RX_FILE) return 0;
    auto *watched = static_cast<Watched *>(lws_get_opaque_user_data(wsi));
    bool go_on = true;
    of(wsi).guard([&] { go_on = watched->readable(); });
    return go_on ? 0 : -1;
}

int LwsLoop::Impl::on_connection(lws *wsi, lws_callback_reasons reason, void *user, void *in,
                                 std::size_t length) {
    Impl &loop = of(wsi);
    if (reason == LWS_CALLBACK_SERVER_NEW_CLIENT_INSTANTIATED) loop.connections.insert(wsi);
    if (reason == LWS_CALLBACK_WSI_DESTROY) loop.connections.erase(wsi);
    // HTTP/1.1 is what the handlers speak. A server may ignore the wish to go on in HTTP/2 (RFC 7230, 6.7), but
    // libwebsockets would grant it; it knows no wish by this name.
    if (reason == LWS_CALLBACK_HTTP_CONFIRM_UPGRADE &&
        std::strcmp(static_cast<const char *>(in), "h2c") == 0) {
        static_cast<char *>(in)[0] = '-';
        return 0;
    }
    const lws_protocols *bound = lws_get_protocol(wsi);
    const auto *protocol = bound != nullptr ? static_cast<const Protocol *>(bound->user) : nullptr;
    if (protocol == nullptr) protocol = &loop.protocols.front();
    int result = 0;  // after an exception too: of some events libwebsockets does not survive a refusal
    loop.guard([&] { result = protocol->callback(wsi, static_cast<int>(reason), user, in, length); });
    return result;
}

lws *LwsLoop::Impl::adopt(int fd, std::function<bool()> readable) {
    UniqueFd copy(fcntl(fd, F_DUPFD_CLOEXEC, 3));
    if (!copy) throw system_error("watch a descriptor");
    watched.push_back(std::make_unique<Watched>(Watched{std::move(readable)}));
    lws_adopt_desc_t description{};
    description.vh = watcher;
    description.type = LWS_ADOPT_RAW_FILE_DESC;
    description.fd.filefd = copy.release();  // closed by libwebsockets, also when it fails
    description.vh_prot_name = "watch";
    description.opaque = watched.back().get();
    lws *wsi = lws_adopt_descriptor_vhost_via_info(&description);
    if (wsi == nullptr)
        throw Error(ExitCode::system, "unable to watch a descriptor: libwebsockets refuses it");
    return wsi;
}

bool LwsLoop::Impl::accept_all() {
    for (int n = 0; n < 64; ++n) {  // then others have their turn
        UniqueFd fd(accept4(listener.fd.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
        if (fd) {
            serve_connection(std::move(fd));
            continue;
        }
        if (errno == EINVAL) {  // stop_listening()
            accepting = nullptr;
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
void LwsLoop::Impl::pause_accepting(int reason) {
    if (starved.due())
        log_warning(std::string("unable to accept connections for now: ") + std::strerror(reason));
    lws_rx_flow_control(accepting, 0);
    owner->arm(resume_timer, accept_pause);
}

void LwsLoop::Impl::serve_connection(UniqueFd fd) {
    if (connections.size() >= max_clients) {
        refused++;
        if (crowded.due())
            log_warning("refusing connections (503): " + std::to_string(max_clients) +
                        " stand already; allow more with --max-clients");
        refuse_connection(fd.get(), config.cert.empty());
        return;
    }
    lws_adopt_socket_vhost(server, fd.release());  // closes it when it fails
}

LwsLoop::LwsLoop(const Config &config) : impl_(std::make_unique<Impl>(config, this)) {
    if (config.cert.empty() != config.key.empty())
        throw Error(ExitCode::config, "TLS needs both a certificate and its key");
    if (!config.cert.empty()) {
        check_readable(config.cert, "certificate");
        check_readable(config.key, "key");
    }
    lws_set_log_level(log_level() >= LogLevel::debug ? LLL_ERR | LLL_WARN | LLL_NOTICE : LLL_ERR,
                      log_library);
    lws_context_creation_info info{};
    info.options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS | LWS_SERVER_OPTION_VALIDATE_UTF8;
    if (!config.cert.empty()) info.options |= LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
    info.gid = static_cast<decltype(info.gid)>(-1);
    info.uid = static_cast<decltype(info.uid)>(-1);
    info.user = impl_.get();
    info.pt_serv_buf_size = 32768;
    info.max_http_header_data = max_headers;
    impl_->context = lws_create_context(&info);
    if (impl_->context == nullptr)
        throw Error(ExitCode::system, "unable to create the libwebsockets context");

    static const lws_protocols watch_protocols[] = {{"watch", Impl::on_watched, 0, 0, 0, nullptr, 0}, {}};
    info.port = CONTEXT_PORT_NO_LISTEN;
    info.protocols = watch_protocols;
    info.vhost_name = "watch";
    impl_->watcher = lws_create_vhost(impl_->context, &info);
    if (impl_->watcher == nullptr) throw Error(ExitCode::system, "unable to prepare libwebsockets");
}

LwsLoop::~LwsLoop() {
    if (impl_->context == nullptr) return;
    for (auto &timer : impl_->timers) lws_sul_cancel(timer.get());
    lws_context_destroy(impl_->context);
}

void LwsLoop::watch(int fd, std::function<void()> readable) {
    impl_->adopt(fd, [call = std::move(readable)] {
        call();
        return true;
    });
}

LwsLoop::Timer LwsLoop::timer(std::function<void()> expired) {
    impl_->timers.push_back(std::make_unique<TimerEntry>());
    impl_->timers.back()->loop = impl_.get();
    impl_->timers.back()->expired = std::move(expired);
    return impl_->timers.size() - 1;
}

void LwsLoop::arm(Timer timer, std::chrono::microseconds delay) {
    const auto expire = [](lws_sorted_usec_list_t *entry) {
        auto *due = static_cast<TimerEntry *>(entry);
        due->loop->guard(due->expired);
    };
    lws_sul_schedule(impl_->context, 0, impl_->timers.at(timer).get(), expire,
                     std::max<lws_usec_t>(1, delay.count()));
}

void LwsLoop::disarm(Timer timer) {
    lws_sul_cancel(impl_->timers.at(timer).get());
}

void LwsLoop::listen(std::vector<Protocol> protocols) {
    Impl &i = *impl_;
    i.protocols = std::move(protocols);
    for (const Protocol &p : i.protocols)
        i.table.push_back({p.name.c_str(), Impl::on_connection, p.session_bytes, p.receive_bytes, 0,
                           const_cast<Protocol *>(&p), longest_write});
    i.table.push_back({});
    i.listener = open_listener(i.config.bind, i.config.port, i.config.send_buffer);

    const Config &config = i.config;
    lws_context_creation_info info{};
    info.port = CONTEXT_PORT_NO_LISTEN_SERVER;
    info.protocols = i.table.data();
    info.vhost_name = "server";
    info.alpn = "http/1.1";
    info.timeout_secs = static_cast<unsigned>(config.header_timeout.count());
    info.timeout_secs_ah_idle = info.timeout_secs;
    info.keepalive_timeout = static_cast<int>(config.keepalive_timeout.count());
    if (!config.cert.empty()) {
        info.ssl_cert_filepath = config.cert.c_str();
        info.ssl_private_key_filepath = config.key.c_str();
        info.options = LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
    }
    i.server = lws_create_vhost(i.context, &info);
    if (i.server == nullptr)
        throw Error(ExitCode::config, config.cert.empty() ? "unable to prepare the server"
                                                          : "unable to use the certificate " + config.cert +
                                                                " with the key " + config.key);
    i.accepting = i.adopt(i.listener.fd.get(), [this] { return impl_->accept_all(); });
    i.resume_timer = timer([this] {
        if (impl_->accepting != nullptr) lws_rx_flow_control(impl_->accepting, 1);
    });
}

std::uint16_t LwsLoop::port() const {
    return impl_->listener.port;
}

std::string LwsLoop::url() const {
    return (impl_->config.cert.empty() ? "http://" : "https://") + impl_->listener.address + ":" +
           std::to_string(impl_->listener.port);
}

std::size_t LwsLoop::clients() const {
    return impl_->connections.size();
}

std::uint64_t LwsLoop::refused() const {
    return impl_->refused;
}

void LwsLoop::stop_listening() {
    if (impl_->listener.fd)
        shutdown(impl_->listener.fd.get(), SHUT_RDWR);  // wakes the loop, which lets go of it
}

void LwsLoop::run() {
    while (!impl_->stopped && lws_service(impl_->context, 0) >= 0) continue;
    if (impl_->failure) std::rethrow_exception(std::exchange(impl_->failure, nullptr));
}

void LwsLoop::stop() {
    impl_->stop();
}

lws_context *LwsLoop::context() const {
    return impl_->context;
}

}  // namespace ble
