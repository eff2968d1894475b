#include "server/lws_loop.hpp"

#include <fcntl.h>
#include <libwebsockets.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/unique_fd.hpp"
#include "server/lws_loop_impl.hpp"
#include "server/lws_port.hpp"

namespace ble {
namespace {

// Beside the clients: standard streams, the context's own descriptors, those watched, files being served.
constexpr rlim_t spare_descriptors = 192;
constexpr rlim_t most_descriptors = 65536;
// Connections of a port beside the first; its descriptors are among the spare ones.
constexpr std::size_t most_beside = 64;
// libwebsockets ends the connection beyond it without a word, so there is room for headers that are too long to be refused.
constexpr unsigned short room_for_headers = 32768;
// Given to send(2) at once. By default that is the receive buffer's size: longer messages would be copied and sent in parts.
constexpr std::size_t longest_write = 1u << 20;

void log_library(int level, const char *text) {
    std::string_view line(text);
    // Some versions put the time before it.
    if (line.find("Ran out of header data space") != std::string_view::npos) {
        static Throttle throttle;
        if (throttle.due())
            log_warning("ending a connection whose headers are longer than " +
                        std::to_string(room_for_headers) + " bytes");
        return;
    }
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
    const std::size_t possible =
        fitting > spare_descriptors ? static_cast<std::size_t>(fitting - spare_descriptors) : 1;
    log_warning("at most " + std::to_string(possible) +
                " clients: the limit of open descriptors (ulimit -n) is " + std::to_string(fitting));
    return possible;
}

int on_watched(lws *wsi, lws_callback_reasons reason, void *, void *, std::size_t) {
    if (reason != LWS_CALLBACK_RAW_RX_FILE) return 0;
    auto *watched = static_cast<LwsLoop::Impl::Watched *>(lws_get_opaque_user_data(wsi));
    bool go_on = true;
    LwsLoop::Impl::of(wsi).guard([&] { go_on = watched->readable(); });
    return go_on ? 0 : -1;
}

int on_connection(lws *wsi, lws_callback_reasons reason, void *user, void *in, std::size_t length) {
    auto &loop = LwsLoop::Impl::of(wsi);
    if (reason == LWS_CALLBACK_OPENSSL_LOAD_EXTRA_SERVER_VERIFY_CERTS) {
        loop.tls = static_cast<ssl_ctx_st *>(user);
        loop.guard([&] { load_tls(loop.tls, loop.tls_files); });
        return 0;
    }
    return loop.port_of(wsi).on_event(wsi, static_cast<int>(reason), user, in, length);
}

}  // namespace

struct LwsLoop::Impl::Soon : lws_sorted_usec_list {
    Impl *loop;
    Timer timer;
};

LwsLoop::Impl::Impl(LwsLoop &loop, const Config &config) : tls_files(config.tls) {
    ports.push_back(std::make_unique<LwsPort>(loop, *this, config, fit_descriptors(config.max_clients)));
}

LwsLoop::Impl::~Impl() = default;

LwsLoop::Impl &LwsLoop::Impl::of(lws *wsi) {
    return *static_cast<Impl *>(lws_context_user(lws_get_context(wsi)));
}

void LwsLoop::Impl::stop() {
    stopped = true;
    // Timers run before libwebsockets waits, for up to 30 s: let it not wait.
    if (context != nullptr) lws_cancel_service(context);
}

// What is nobody's concerns the server itself, or a connection that is gone.
LwsPort &LwsLoop::Impl::port_of(lws *wsi) {
    const auto found =
        std::find_if(ports.begin(), ports.end(), [&](const auto &port) { return port->has(wsi); });
    return found != ports.end() ? **found : *ports.front();
}

int LwsLoop::Impl::pass_on(lws *wsi, int reason, void *user, void *in, std::size_t length) {
    const lws_protocols *bound = lws_get_protocol(wsi);
    const auto *protocol = bound != nullptr ? static_cast<const Protocol *>(bound->user) : nullptr;
    return (protocol != nullptr ? *protocol : protocols.front()).callback(wsi, reason, user, in, length);
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

LwsLoop::LwsLoop(const Config &config) : impl_(std::make_unique<Impl>(*this, config)) {
    if (config.tls.cert.empty() != config.tls.key.empty())
        throw Error(ExitCode::config, "TLS needs both a certificate and its key");
    if (!config.tls.cert.empty()) check_tls(config.tls);
    lws_set_log_level(log_level() >= LogLevel::debug ? LLL_ERR | LLL_WARN | LLL_NOTICE : LLL_ERR,
                      log_library);
    lws_context_creation_info info{};
    info.options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS | LWS_SERVER_OPTION_VALIDATE_UTF8;
    if (!config.tls.cert.empty()) info.options |= LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
    info.gid = static_cast<decltype(info.gid)>(-1);
    info.uid = static_cast<decltype(info.uid)>(-1);
    info.user = impl_.get();
    info.pt_serv_buf_size = 32768;
    info.max_http_header_data = room_for_headers;
    impl_->context = lws_create_context(&info);
    if (impl_->context == nullptr)
        throw Error(ExitCode::system, "unable to create the libwebsockets context");

    static const lws_protocols watch_protocols[] = {{"watch", on_watched, 0, 0, 0, nullptr, 0}, {}};
    info.port = CONTEXT_PORT_NO_LISTEN;
    info.protocols = watch_protocols;
    info.vhost_name = "watch";
    impl_->watcher = lws_create_vhost(impl_->context, &info);
    if (impl_->watcher == nullptr) throw Error(ExitCode::system, "unable to prepare libwebsockets");
    watch(impl_->timers.fd(), [i = impl_.get()] { i->timers.expire(); });
}

LwsLoop::~LwsLoop() {
    if (impl_->context == nullptr) return;
    for (auto &soon : impl_->soon) lws_sul_cancel(soon.get());
    lws_context_destroy(impl_->context);
}

void LwsLoop::watch(int fd, std::function<void()> readable) {
    impl_->adopt(fd, [call = std::move(readable)] {
        call();
        return true;
    });
}

LwsLoop::Timer LwsLoop::timer(std::function<void()> expired) {
    impl_->soon.push_back(std::make_unique<Impl::Soon>());
    impl_->soon.back()->loop = impl_.get();
    return impl_->soon.back()->timer = impl_->timers.add(std::move(expired));
}

void LwsLoop::arm(Timer timer, std::chrono::microseconds delay) {
    disarm(timer);
    if (delay.count() > 0) return impl_->timers.arm(timer, delay);
    // Before the next round, without a wait: libwebsockets has no system call to make for that.
    const auto expire = [](lws_sorted_usec_list_t *entry) {
        auto *due = static_cast<Impl::Soon *>(entry);
        due->loop->guard([due] { due->loop->timers.call(due->timer); });
    };
    lws_sul_schedule(impl_->context, 0, impl_->soon.at(timer).get(), expire, 1);
}

void LwsLoop::disarm(Timer timer) {
    lws_sul_cancel(impl_->soon.at(timer).get());
    impl_->timers.disarm(timer);
}

void LwsLoop::listen(std::vector<Protocol> protocols) {
    Impl &i = *impl_;
    i.protocols = std::move(protocols);
    for (const Protocol &p : i.protocols)
        i.table.push_back({p.name.c_str(), on_connection, p.session_bytes, p.receive_bytes, 0,
                           const_cast<Protocol *>(&p), longest_write});
    i.table.push_back({});
    i.ports.front()->listen([&i](lws *wsi, int reason, void *user, void *in, std::size_t length) {
        return i.pass_on(wsi, reason, user, in, length);
    });
    i.prepare_server(i.ports.front()->config());
}

std::string LwsLoop::listen_too(const Config &config, Handler handler) {
    auto &port = impl_->ports.emplace_back(
        std::make_unique<LwsPort>(*this, *impl_, config, std::min(config.max_clients, most_beside)));
    port->listen(std::move(handler));
    return port->url();
}

void LwsLoop::Impl::prepare_server(const Config &config) {
    lws_context_creation_info info{};
    info.port = CONTEXT_PORT_NO_LISTEN_SERVER;
    info.protocols = table.data();
    info.vhost_name = "server";
    info.alpn = "http/1.1";
    info.timeout_secs = static_cast<unsigned>(config.header_timeout.count());
    info.timeout_secs_ah_idle = info.timeout_secs;
    info.keepalive_timeout = static_cast<int>(config.keepalive_timeout.count());
    if (!config.tls.cert.empty()) {
        info.ssl_cert_filepath = config.tls.cert.c_str();
        info.ssl_private_key_filepath = config.tls.key.c_str();
        info.options = LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
    }
    server = lws_create_vhost(context, &info);
    if (failure) std::rethrow_exception(std::exchange(failure, nullptr));
    if (server == nullptr) throw Error(ExitCode::config, "unable to prepare the server");
}

std::uint16_t LwsLoop::port() const {
    return impl_->ports.front()->number();
}

std::string LwsLoop::url() const {
    return impl_->ports.front()->url();
}

std::size_t LwsLoop::clients() const {
    return impl_->ports.front()->connections().standing();
}

std::uint64_t LwsLoop::refused() const {
    return impl_->ports.front()->connections().refused();
}

void LwsLoop::reload_certificates() {
    if (impl_->tls != nullptr) load_tls(impl_->tls, impl_->tls_files);
}

void LwsLoop::note_guess(lws *wsi, const std::string &client) {
    impl_->port_of(wsi).note_guess(client);
}

bool LwsLoop::guesses_too_often(lws *wsi, const std::string &client) const {
    return impl_->port_of(wsi).guesses_too_often(wsi, client);
}

void LwsLoop::answered(lws *wsi) {
    Impl::of(wsi).port_of(wsi).answered(wsi);
}

void LwsLoop::stop_listening() {
    impl_->ports.front()->stop_listening();
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
