#include "transport/http_client.hpp"

#include <curl/curl.h>
#include <sys/epoll.h>

#include <algorithm>
#include <system_error>
#include <utility>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/unique_fd.hpp"
#include "base/version.hpp"
#include "transport/http.hpp"
#include "transport/tls_diagnosis.hpp"

namespace ble {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;
using Headers = std::shared_ptr<curl_slist>;

// libcurl's results are values: a failure here is out of memory, or a bug of ours.
void check(CURLcode code, const char *what) {
    if (code != CURLE_OK)
        throw Error(ExitCode::software,
                    std::string("unable to set up ") + what + ": " + curl_easy_strerror(code));
}

void init_once() {
    static const CURLcode code = curl_global_init(CURL_GLOBAL_DEFAULT);
    check(code, "libcurl");
}

Headers make_headers(const char *type, const std::optional<std::string> &api_key) {
    curl_slist *list = curl_slist_append(nullptr, type);
    list = curl_slist_append(list, "Expect:");  // no pause for a "100 Continue" before long bodies
    if (api_key) list = curl_slist_append(list, ("X-API-Key: " + *api_key).c_str());
    return {list, curl_slist_free_all};
}

// One at a time; a handle is used again and again, so that only what differs is set anew.
struct Request {
    explicit Request(const HttpOptions &options);
    ~Request() { curl_easy_cleanup(easy); }
    Request(const Request &) = delete;
    Request &operator=(const Request &) = delete;

    template <class Value>
    void set(CURLoption option, Value value) {
        check(curl_easy_setopt(easy, option, value), "a request");
    }
    void set_tls(const HttpOptions &options);
    void prepare(std::size_t server_given, const std::string &base_given, const Headers &headers_given,
                 std::optional<HttpMessage> message);
    std::size_t take_body(const char *data, std::size_t size);
    void read_headers();
    std::string header(const char *name) const;
    bool proxied() const;
    std::string describe(CURLcode code, bool has_certificate) const;

    CURL *easy = curl_easy_init();
    Headers headers;
    std::string base, url;
    std::size_t server = 0;
    std::optional<HttpMessage> posted;
    HttpAnswer answer;
    char text[CURL_ERROR_SIZE] = "";
};

Request::Request(const HttpOptions &options) {
    if (easy == nullptr) throw Error(ExitCode::system, "unable to set up libcurl: out of memory");
    const auto on_body = [](char *data, std::size_t, std::size_t size, void *self) -> std::size_t {
        return static_cast<Request *>(self)->take_body(data, size);
    };
    set(CURLOPT_PRIVATE, this);
    set(CURLOPT_PROTOCOLS_STR, "http,https");
    set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_QUICK_EXIT, 1L);  // never wait for a name server that has not answered in time
    set(CURLOPT_TIMEOUT_MS, static_cast<long>(options.timeout.count()));
    set(CURLOPT_USERAGENT, (std::string("blesend/") + program_version).c_str());
    set(CURLOPT_ACCEPT_ENCODING, "gzip");  // what packs answers unasked is understood as well
    set(CURLOPT_ERRORBUFFER, text);
    set(CURLOPT_WRITEFUNCTION, +on_body);
    set(CURLOPT_WRITEDATA, this);
    if (!options.proxy.empty()) set(CURLOPT_PROXY, options.proxy.c_str());
    set_tls(options);
}

void Request::set_tls(const HttpOptions &options) {
    if (!options.cafile.empty()) set(CURLOPT_CAINFO, options.cafile.c_str());
    if (!options.capath.empty()) set(CURLOPT_CAPATH, options.capath.c_str());
    if (!options.cert.empty()) set(CURLOPT_SSLCERT, options.cert.c_str());
    if (!options.key.empty()) set(CURLOPT_SSLKEY, options.key.c_str());
    if (!options.insecure) return;
    set(CURLOPT_SSL_VERIFYPEER, 0L);
    set(CURLOPT_SSL_VERIFYHOST, 0L);
}

void Request::prepare(std::size_t server_given, const std::string &base_given, const Headers &headers_given,
                      std::optional<HttpMessage> message) {
    server = server_given;
    posted = std::move(message);
    answer = {};
    text[0] = '\0';
    base = base_given;
    const std::string before =
        std::exchange(url, base + (posted ? "/api/v1/detections/bulk" : "/health"));
    if (url != before) set(CURLOPT_URL, url.c_str());
    if (headers != headers_given) set(CURLOPT_HTTPHEADER, headers_given.get());
    headers = headers_given;
    if (posted) {
        set(CURLOPT_POST, 1L);
        set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(posted->payload.size()));
        set(CURLOPT_POSTFIELDS, posted->payload.data());
    } else {
        set(CURLOPT_HTTPGET, 1L);
    }
}

std::size_t Request::take_body(const char *data, std::size_t size) {
    const std::size_t room = HttpAnswer::longest_body - answer.body.size();
    answer.too_long = size > room;
    answer.body.append(data, std::min(size, room));
    return answer.too_long ? 0 : size;
}

void Request::read_headers() {
    char *found = nullptr;
    curl_off_t length = -1;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &answer.status);
    if (curl_easy_getinfo(easy, CURLINFO_CONTENT_TYPE, &found) == CURLE_OK && found != nullptr)
        answer.type = found;
    if (curl_easy_getinfo(easy, CURLINFO_REDIRECT_URL, &found) == CURLE_OK && found != nullptr)
        answer.location = found;
    curl_easy_getinfo(easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    answer.length_known = length >= 0 || !header("Transfer-Encoding").empty();
    answer.retry_after = header("Retry-After");
    answer.date = header("Date");
}

std::string Request::header(const char *name) const {
    curl_header *found = nullptr;
    if (curl_easy_header(easy, name, 0, CURLH_HEADER, -1, &found) != CURLHE_OK) return {};
    return found->value;
}

bool Request::proxied() const {
    long found = 0;
#if LIBCURL_VERSION_NUM >= 0x080700
    curl_easy_getinfo(easy, CURLINFO_USED_PROXY, &found);
#else
    long port = 0;
    curl_easy_getinfo(easy, CURLINFO_PRIMARY_PORT, &port);
    curl_easy_getinfo(easy, CURLINFO_HTTP_CONNECTCODE, &found);
    if (port != server_of(base).port) found = 1;
#endif
    return found != 0;
}

std::string Request::describe(CURLcode code, bool has_certificate) const {
    const std::string what = (posted ? "POST " : "GET ") + url + ": ";
    if (code != CURLE_OK) {
        std::string why = text[0] != '\0' ? text : curl_easy_strerror(code);
        long error = 0;  // libcurl's text has not the system's word for it
        if (code == CURLE_COULDNT_CONNECT && curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &error) == CURLE_OK &&
            error != 0)
            why += ": " + std::system_category().message(static_cast<int>(error));
        return what + printable(why);
    }
    std::string why = answer.describe();
    if (!has_certificate && answer.body.find("No required SSL certificate") != std::string::npos)  // so nginx
        why += "; it asks for a certificate of ours: give one with --cert and --key";
    return what + why;
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
    HttpEnd end_of(Request &request, CURLcode code);
    std::function<void()> look_at(const Request &request, CURLcode code) const;

    const HttpOptions &options;
    UniqueFd epoll{::epoll_create1(EPOLL_CLOEXEC)};
    CURLM *multi = nullptr;
    std::optional<Clock::time_point> curl_timer;
    Headers of_batch, of_several;
    std::vector<std::unique_ptr<Request>> requests;
    std::vector<Request *> idle;
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

void HttpClient::Impl::begin(std::size_t server, const std::string &base, std::optional<HttpMessage> message) {
    if (idle.empty()) idle.push_back(requests.emplace_back(std::make_unique<Request>(options)).get());
    Request *request = idle.back();
    idle.pop_back();
    const Headers &headers = message && message->several() ? of_several : of_batch;
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
        Request &request = *static_cast<Request *>(owner);
        ended.push_back(end_of(request, code));
        curl_multi_remove_handle(multi, request.easy);  // `done` is gone
        idle.push_back(&request);
    }
    return ended;
}

HttpEnd HttpClient::Impl::end_of(Request &request, CURLcode code) {
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
std::function<void()> HttpClient::Impl::look_at(const Request &request, CURLcode code) const {
    if (!may_be_tls(code)) return {};
    const HttpServerName server = server_of(request.base);
    if (!server.tls || request.proxied()) return {};
    // The address is looked for anew: newer libcurls do not tell that of a connection that came to nothing.
    TlsPeer peer{server.host, "", server.port, options.cafile, options.capath, options.cert,
                 options.key, options.insecure};
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
    impl_->of_batch = make_headers("Content-Type: application/json", key);
    impl_->of_several = make_headers("Content-Type: application/x-ndjson", key);
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
