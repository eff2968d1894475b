#include "transport/http_client.hpp"

#include <curl/curl.h>
#include <sys/epoll.h>

#include <algorithm>
#include <utility>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/unique_fd.hpp"
#include "transport/http.hpp"
#include "transport/http_request.hpp"
#include "transport/tls_diagnosis.hpp"

namespace ble {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

void init_once() {
    static const CURLcode code = curl_global_init(CURL_GLOBAL_DEFAULT);
    check_curl(code, "libcurl");
}

// Whether an exchange by TLS fails at TLS, libcurl does not always know: a server that wants a certificate of ours and gets none may
// just hang up.
bool may_be_tls(CURLcode code) {
    constexpr CURLcode of_tls[] = {CURLE_SSL_CONNECT_ERROR, CURLE_PEER_FAILED_VERIFICATION,
                                   CURLE_SSL_CERTPROBLEM,   CURLE_SEND_ERROR,
                                   CURLE_RECV_ERROR,        CURLE_GOT_NOTHING};
    return std::find(std::begin(of_tls), std::end(of_tls), code) != std::end(of_tls);
}

}  // namespace

struct HttpClient::Impl {
    Impl(const HttpOptions &given, std::size_t most_requests);
    ~Impl();

    void watch(curl_socket_t socket, int what);
    void begin(std::size_t server, const std::string &base, std::optional<HttpMessage> message);
    void drive();
    std::vector<HttpEnd> collect();
    HttpEnd end_of(HttpRequest &request, CURLcode code);
    std::function<void()> look_at(const HttpRequest &request, CURLcode code) const;

    const HttpOptions &options;
    UniqueFd epoll{::epoll_create1(EPOLL_CLOEXEC)};
    CURLM *multi = nullptr;
    std::optional<Clock::time_point> curl_timer;
    HttpHeaders of_batch, of_several;
    std::vector<std::unique_ptr<HttpRequest>> requests;
    std::vector<HttpRequest *> idle;
    bool ended_at_once = false;  // a request: newer libcurls then call no socket and set no timer
};

HttpClient::Impl::Impl(const HttpOptions &given, std::size_t most_requests) : options(given) {
    init_once();
    if (!epoll) throw system_error("wait for the network");
    multi = curl_multi_init();
    if (multi == nullptr) throw Error(ExitCode::system, "unable to set up libcurl: out of memory");
    const auto on_socket = [](CURL *, curl_socket_t socket, int what, void *self, void *) {
        static_cast<Impl *>(self)->watch(socket, what);
        return 0;
    };
    const auto on_timer = [](CURLM *, long delay_ms, void *self) {
        auto &timer = static_cast<Impl *>(self)->curl_timer;
        timer = Clock::now() + milliseconds(delay_ms);
        if (delay_ms < 0) timer.reset();
        return 0;
    };
    curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, +on_socket);
    curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, this);
    curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, +on_timer);
    curl_multi_setopt(multi, CURLMOPT_TIMERDATA, this);
    curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, static_cast<long>(most_requests));
}

HttpClient::Impl::~Impl() {
    for (const auto &request : requests) curl_multi_remove_handle(multi, request->easy);
    requests.clear();
    curl_multi_cleanup(multi);
}

void HttpClient::Impl::watch(curl_socket_t socket, int what) {
    epoll_event event{};
    event.data.fd = socket;
    if ((what & CURL_POLL_IN) != 0) event.events |= EPOLLIN;
    if ((what & CURL_POLL_OUT) != 0) event.events |= EPOLLOUT;
    if (what == CURL_POLL_REMOVE) {
        ::epoll_ctl(epoll.get(), EPOLL_CTL_DEL, socket, nullptr);  // may be closed already
    } else if (::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, socket, &event) != 0) {
        ::epoll_ctl(epoll.get(), EPOLL_CTL_MOD, socket, &event);
    }
}

void HttpClient::Impl::begin(std::size_t server, const std::string &base,
                             std::optional<HttpMessage> message) {
    if (idle.empty()) idle.push_back(requests.emplace_back(std::make_unique<HttpRequest>(options)).get());
    HttpRequest *request = idle.back();
    idle.pop_back();
    const HttpHeaders &headers = message && message->several() ? of_several : of_batch;
    request->prepare(server, base, headers, std::move(message));
    curl_multi_add_handle(multi, request->easy);
    int running = 0;
    curl_multi_socket_action(multi, CURL_SOCKET_TIMEOUT, 0, &running);  // begins at once
    ended_at_once = ended_at_once || static_cast<std::size_t>(running) < requests.size() - idle.size();
}

// Lets libcurl do what is due.
void HttpClient::Impl::drive() {
    epoll_event events[32];
    int running = 0;
    const int count = ::epoll_wait(epoll.get(), events, std::size(events), 0);
    for (int i = 0; i < count; ++i) {
        int what = 0;
        if ((events[i].events & EPOLLIN) != 0) what |= CURL_CSELECT_IN;
        if ((events[i].events & EPOLLOUT) != 0) what |= CURL_CSELECT_OUT;
        if ((events[i].events & (EPOLLERR | EPOLLHUP)) != 0) what |= CURL_CSELECT_ERR;
        curl_multi_socket_action(multi, events[i].data.fd, what, &running);
    }
    if (curl_timer && Clock::now() >= *curl_timer) {
        curl_timer.reset();
        curl_multi_socket_action(multi, CURL_SOCKET_TIMEOUT, 0, &running);
    }
}

std::vector<HttpEnd> HttpClient::Impl::collect() {
    std::vector<HttpEnd> ended;
    ended_at_once = false;
    int left = 0;
    while (const CURLMsg *done = curl_multi_info_read(multi, &left)) {
        if (done->msg != CURLMSG_DONE) continue;
        const CURLcode code = done->data.result;
        void *owner = nullptr;
        curl_easy_getinfo(done->easy_handle, CURLINFO_PRIVATE, &owner);
        HttpRequest &request = *static_cast<HttpRequest *>(owner);
        ended.push_back(end_of(request, code));
        curl_multi_remove_handle(multi, request.easy);  // `done` is gone
        idle.push_back(&request);
    }
    return ended;
}

HttpEnd HttpClient::Impl::end_of(HttpRequest &request, CURLcode code) {
    if (code == CURLE_WRITE_ERROR && request.answer.too_long) code = CURLE_OK;  // we have cut it
    request.read_headers();
    HttpEnd end;
    end.server = request.server;
    end.failure = code;
    if (code == CURLE_OK) end.outcome = request.answer.outcome();
    if (end.outcome != HttpOutcome::delivered) end.text = request.describe(code, !options.cert.empty());
    end.look_at = look_at(request, code);
    end.answer = std::move(request.answer);
    end.posted = std::move(request.posted);
    return end;
}

// Not where a proxy leads there.
std::function<void()> HttpClient::Impl::look_at(const HttpRequest &request, CURLcode code) const {
    if (!may_be_tls(code)) return {};
    const HttpServerName server = server_of(request.base);
    if (!server.tls || request.proxied()) return {};
    // The address is looked for anew: newer libcurls do not tell that of a connection that came to nothing.
    TlsPeer peer{server.host,    "",           server.port, options.cafile,
                 options.capath, options.cert, options.key, options.insecure};
    return [peer = std::move(peer), what = request.base] {
        look_at_tls_later(peer, [what](const std::string &found) {
            if (!found.empty()) log_warning(what + ": TLS: " + found);
        });
    };
}

HttpClient::HttpClient(const HttpOptions &options, std::size_t most_requests)
    : impl_(std::make_unique<Impl>(options, most_requests)) {
    set_api_key(options.api_key);
}

HttpClient::~HttpClient() = default;

void HttpClient::get_health(std::size_t server, const std::string &base) {
    impl_->begin(server, base, {});
}

void HttpClient::post(std::size_t server, const std::string &base, HttpMessage message) {
    impl_->begin(server, base, std::move(message));
}

std::size_t HttpClient::running() const {
    return impl_->requests.size() - impl_->idle.size();
}

void HttpClient::set_api_key(const std::optional<std::string> &key) {
    impl_->of_batch = make_http_headers("Content-Type: application/json", key);
    impl_->of_several = make_http_headers("Content-Type: application/x-ndjson", key);
}

int HttpClient::fd() const {
    return impl_->epoll.get();
}

milliseconds HttpClient::timeout() const {
    if (impl_->ended_at_once) return milliseconds(0);
    if (!impl_->curl_timer) return milliseconds(-1);
    return std::max(milliseconds(0), std::chrono::ceil<milliseconds>(*impl_->curl_timer - Clock::now()));
}

std::vector<HttpEnd> HttpClient::step() {
    impl_->drive();
    return impl_->collect();
}

}  // namespace ble
