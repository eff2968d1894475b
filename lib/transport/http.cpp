#include "transport/http.hpp"

#include <curl/curl.h>
#include <sys/epoll.h>

#include <algorithm>
#include <map>
#include <system_error>

#include "base/backoff.hpp"
#include "base/duration.hpp"
#include "base/error.hpp"
#include "base/log.hpp"
#include "base/unique_fd.hpp"
#include "base/version.hpp"
#include "transport/http_answer.hpp"
#include "transport/tls_diagnosis.hpp"
#include "transport/transport_options.hpp"

namespace ble {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Clock = std::chrono::steady_clock;

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

}  // namespace

struct HttpTransport::Impl {
    enum class State {
        ready,     // the server was well when last asked
        waiting,   // for retry_at
        checking,  // GET /health is out
        posting,
    };
    struct Message {
        std::uint64_t id;
        std::string payload;
        bool several() const { return payload.find('\n') != std::string::npos; }
    };
    using Headers = std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)>;

    explicit Impl(HttpOptions given);
    ~Impl();

    void watch(curl_socket_t socket, int what);
    Headers make_headers(const char *type) const;
    void request(const std::string &path, const Message *sent);
    void begin_check();
    void begin_post();
    void drive();
    void collect();
    void read_headers();
    void judge_check(CURLcode code);
    void judge_post(CURLcode code);
    bool must_ask_again() const;
    void settle(Outcome outcome, const std::string &reason);
    void fail(const std::string &what, CURLcode code);
    std::string describe(CURLcode code) const;
    std::optional<std::string> header(const char *name) const;
    void look_at_tls(CURLcode code) const;
    milliseconds delay_after(CURLcode code);

    HttpOptions options;
    UniqueFd epoll{::epoll_create1(EPOLL_CLOEXEC)};
    CURLM *multi = nullptr;
    CURL *easy = nullptr;
    Headers headers{nullptr, curl_slist_free_all};  // of the request
    std::optional<Clock::time_point> curl_timer;
    State state = State::waiting;
    Clock::time_point retry_at = Clock::now();
    Backoff backoff{seconds(1), seconds(60)}, slow_backoff{seconds(5), seconds(300)};
    std::optional<Message> message;
    std::vector<Result> results;
    bool up = false;             // the last exchange went well
    bool post_failed = false;    // since a message was last taken: a good health check is then no news
    bool ended_at_once = false;  // the request: newer libcurls then call no socket and set no timer
    bool complained = false;     // a warning stands that good news should follow
    bool asked_again = false;    // what refused this message has been asked since whether it is well
    std::string trouble = "not yet connected";
    HttpAnswer answer;
    char curl_text[CURL_ERROR_SIZE] = "";
    std::map<long, Throttle> said;  // of each kind of failure; texts differ from one answer to the next
};

HttpTransport::Impl::Impl(HttpOptions given) : options(std::move(given)) {
    init_once();
    if (!epoll) throw system_error("wait for the network");
    multi = curl_multi_init();
    easy = curl_easy_init();
    if (multi == nullptr || easy == nullptr)
        throw Error(ExitCode::system, "unable to set up libcurl: out of memory");
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
    curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, 1L);
}

HttpTransport::Impl::Headers HttpTransport::Impl::make_headers(const char *type) const {
    curl_slist *list = curl_slist_append(nullptr, type);
    list = curl_slist_append(list, "Expect:");  // no pause for a "100 Continue" before long bodies
    if (options.api_key) list = curl_slist_append(list, ("X-API-Key: " + *options.api_key).c_str());
    return {list, curl_slist_free_all};
}

HttpTransport::Impl::~Impl() {
    curl_multi_remove_handle(multi, easy);
    curl_easy_cleanup(easy);
    curl_multi_cleanup(multi);
}

void HttpTransport::Impl::watch(curl_socket_t socket, int what) {
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

// `sent`: what to POST, which must outlive the request; none: GET.
void HttpTransport::Impl::request(const std::string &path, const Message *sent) {
    curl_multi_remove_handle(multi, easy);
    curl_easy_reset(easy);
    answer = {};
    curl_text[0] = '\0';
    const auto on_body = [](char *data, std::size_t, std::size_t size, void *self) -> std::size_t {
        HttpAnswer &got = static_cast<Impl *>(self)->answer;
        const std::size_t room = HttpAnswer::longest_body - got.body.size();
        got.too_long = size > room;
        got.body.append(data, std::min(size, room));
        return got.too_long ? 0 : size;
    };
    const auto set = [this](CURLoption option, auto value) {
        check(curl_easy_setopt(easy, option, value), "a request");
    };
    set(CURLOPT_URL, (options.urls.front() + path).c_str());
    set(CURLOPT_PROTOCOLS_STR, "http,https");
    set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_QUICK_EXIT, 1L);  // never wait for a name server that has not answered in time
    set(CURLOPT_TIMEOUT_MS, static_cast<long>(options.timeout.count()));
    set(CURLOPT_USERAGENT, (std::string("blesend/") + program_version).c_str());
    headers = make_headers(sent != nullptr && sent->several() ? "Content-Type: application/x-ndjson"
                                                              : "Content-Type: application/json");
    set(CURLOPT_HTTPHEADER, headers.get());
    set(CURLOPT_ACCEPT_ENCODING, "gzip");  // what packs answers unasked is understood as well
    set(CURLOPT_ERRORBUFFER, curl_text);
    set(CURLOPT_WRITEFUNCTION, +on_body);
    set(CURLOPT_WRITEDATA, this);
    if (!options.proxy.empty()) set(CURLOPT_PROXY, options.proxy.c_str());
    if (!options.cafile.empty()) set(CURLOPT_CAINFO, options.cafile.c_str());
    if (!options.capath.empty()) set(CURLOPT_CAPATH, options.capath.c_str());
    if (!options.cert.empty()) set(CURLOPT_SSLCERT, options.cert.c_str());
    if (!options.key.empty()) set(CURLOPT_SSLKEY, options.key.c_str());
    if (options.insecure) {
        set(CURLOPT_SSL_VERIFYPEER, 0L);
        set(CURLOPT_SSL_VERIFYHOST, 0L);
    }
    if (sent != nullptr) {
        set(CURLOPT_POST, 1L);
        set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(sent->payload.size()));
        set(CURLOPT_POSTFIELDS, sent->payload.data());
    }
    curl_multi_add_handle(multi, easy);
    int running = 0;
    curl_multi_socket_action(multi, CURL_SOCKET_TIMEOUT, 0, &running);  // begins at once
    ended_at_once = running == 0;
}

void HttpTransport::Impl::begin_check() {
    state = State::checking;
    request("/health", nullptr);
}

void HttpTransport::Impl::begin_post() {
    state = State::posting;
    request("/api/v1/detections/bulk", &*message);
}

// Lets libcurl do what is due.
void HttpTransport::Impl::drive() {
    epoll_event events[8];
    int running = 0;
    const int count = ::epoll_wait(epoll.get(), events, 8, 0);
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

// Judges the request if it has ended.
void HttpTransport::Impl::collect() {
    int left = 0;
    ended_at_once = false;
    const CURLMsg *done = curl_multi_info_read(multi, &left);
    if (done == nullptr || done->msg != CURLMSG_DONE) return;
    const bool cut_by_us = done->data.result == CURLE_WRITE_ERROR && answer.too_long;
    const CURLcode code = cut_by_us ? CURLE_OK : done->data.result;
    read_headers();
    if (state == State::checking) {
        judge_check(code);
    } else {
        judge_post(code);
    }
}

void HttpTransport::Impl::read_headers() {
    char *text = nullptr;
    curl_off_t length = -1;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &answer.status);
    if (curl_easy_getinfo(easy, CURLINFO_CONTENT_TYPE, &text) == CURLE_OK && text != nullptr)
        answer.type = text;
    if (curl_easy_getinfo(easy, CURLINFO_REDIRECT_URL, &text) == CURLE_OK && text != nullptr)
        answer.location = text;
    curl_easy_getinfo(easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    answer.length_known = length >= 0 || header("Transfer-Encoding").has_value();
}

void HttpTransport::Impl::judge_check(CURLcode code) {
    if (code != CURLE_OK || answer.outcome() != HttpOutcome::delivered) {
        fail("GET " + options.urls.front() + "/health", code);
        return;
    }
    if (!up && !post_failed) {
        log_info("connected to " + options.urls.front());
        complained = false;
        said.clear();
    }
    up = true;
    state = State::ready;
    if (message) begin_post();
}

void HttpTransport::Impl::judge_post(CURLcode code) {
    HttpOutcome outcome = code == CURLE_OK ? answer.outcome() : HttpOutcome::retry;
    // A server that takes one batch a request does not know NDJSON; by itself each may be welcome.
    if (code == CURLE_OK && answer.status == 415 && message->several()) outcome = HttpOutcome::refused;
    if (outcome == HttpOutcome::refused && must_ask_again()) {
        asked_again = true;
        begin_check();
        return;
    }
    const std::string what = "POST " + options.urls.front() + "/api/v1/detections/bulk";
    if (outcome != HttpOutcome::delivered && outcome != HttpOutcome::refused) {
        fail(what, code);
        post_failed = true;
        return;
    }
    if (complained) log_info(options.urls.front() + " takes batches again");
    complained = post_failed = false;
    up = true;
    said.clear();
    backoff.reset();
    slow_backoff.reset();
    state = State::ready;
    if (outcome == HttpOutcome::delivered) {
        settle(Outcome::delivered, {});
    } else {
        settle(Outcome::refused, what + ": " + describe(code));
    }
}

// What refuses in no backend's words may be a proxy, which would refuse every batch: it is believed when the backend is there
// all the same.
bool HttpTransport::Impl::must_ask_again() const {
    return !answer.of_backend() && !asked_again && !message->several() && !options.one_try;
}

void HttpTransport::Impl::settle(Outcome outcome, const std::string &reason) {
    results.push_back({message->id, outcome, reason});
    message.reset();
    asked_again = false;
}

// The health check or the POST failed: nothing is sent before the next health check.
void HttpTransport::Impl::fail(const std::string &what, CURLcode code) {
    std::string reason = what + ": " + describe(code);
    const milliseconds delay = delay_after(code);
    if (message) settle(Outcome::retry, reason);
    if (up && !post_failed) said.clear();
    up = false;
    trouble = std::move(reason);
    if (options.one_try) {
        state = State::ready;  // the tool tells what it drops, and why
        return;
    }
    state = State::waiting;
    retry_at = Clock::now() + delay;
    if (said[code == CURLE_OK ? answer.status : -static_cast<long>(code)].due()) {
        log_warning(trouble + "; kept, next try in " + in_seconds(delay));
        complained = true;
        if (code != CURLE_OK) look_at_tls(code);
    }
}

std::string HttpTransport::Impl::describe(CURLcode code) const {
    if (code != CURLE_OK) {
        std::string text = curl_text[0] != '\0' ? curl_text : curl_easy_strerror(code);
        long error = 0;  // libcurl's text has not the system's word for it
        if (code == CURLE_COULDNT_CONNECT && curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &error) == CURLE_OK &&
            error != 0)
            text += ": " + std::system_category().message(static_cast<int>(error));
        return printable(text);
    }
    std::string text = answer.describe();
    if (options.cert.empty() &&
        answer.body.find("No required SSL certificate") != std::string::npos)  // so nginx
        text += "; it asks for a certificate of ours: give one with --cert and --key";
    return text;
}

std::optional<std::string> HttpTransport::Impl::header(const char *name) const {
    curl_header *found = nullptr;
    if (curl_easy_header(easy, name, 0, CURLH_HEADER, -1, &found) != CURLHE_OK) return {};
    return found->value;
}

// Whether an exchange by TLS fails at TLS, libcurl does not always know: a server that wants a certificate of ours and gets none may
// just hang up. Says what is found, but not where a proxy leads there.
void HttpTransport::Impl::look_at_tls(CURLcode code) const {
    constexpr CURLcode of_tls[] = {CURLE_SSL_CONNECT_ERROR, CURLE_PEER_FAILED_VERIFICATION,
                                   CURLE_SSL_CERTPROBLEM,   CURLE_SEND_ERROR,
                                   CURLE_RECV_ERROR,        CURLE_GOT_NOTHING};
    const HttpServerName server = server_of(options.urls.front());
    long proxied = 0;
#if LIBCURL_VERSION_NUM >= 0x080700
    curl_easy_getinfo(easy, CURLINFO_USED_PROXY, &proxied);
#else
    long port = 0;
    curl_easy_getinfo(easy, CURLINFO_PRIMARY_PORT, &port);
    curl_easy_getinfo(easy, CURLINFO_HTTP_CONNECTCODE, &proxied);
    if (port != server.port) proxied = 1;
#endif
    if (!server.tls || std::find(std::begin(of_tls), std::end(of_tls), code) == std::end(of_tls) ||
        proxied != 0)
        return;
    // The address is looked for anew: newer libcurls do not tell that of a connection that came to nothing.
    look_at_tls_later({server.host, "", server.port, options.cafile, options.capath, options.cert,
                       options.key, options.insecure},
                      [what = options.urls.front()](const std::string &found) {
                          if (!found.empty()) log_warning(what + ": TLS: " + found);
                      });
}

milliseconds HttpTransport::Impl::delay_after(CURLcode code) {
    if (code == CURLE_OK)
        if (const auto asked = wait_asked(header("Retry-After").value_or(""), header("Date").value_or("")))
            return *asked;
    const bool slow = code == CURLE_OK && answer.outcome() == HttpOutcome::configuration;
    return slow ? slow_backoff.next() : backoff.next();
}

HttpTransport::HttpTransport(HttpOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}
HttpTransport::~HttpTransport() = default;

void HttpTransport::start() {
    impl_->begin_check();
}

int HttpTransport::fd() const {
    return impl_->epoll.get();
}

milliseconds HttpTransport::timeout() const {
    if (!impl_->results.empty() || impl_->ended_at_once) return milliseconds(0);
    auto due = impl_->curl_timer;
    if (impl_->state == Impl::State::waiting) due = std::min(due.value_or(impl_->retry_at), impl_->retry_at);
    if (!due) return milliseconds(-1);
    return std::max(milliseconds(0), std::chrono::ceil<milliseconds>(*due - Clock::now()));
}

std::vector<Result> HttpTransport::step() {
    impl_->drive();
    impl_->collect();
    if (impl_->state == Impl::State::waiting && Clock::now() >= impl_->retry_at) impl_->begin_check();
    return std::exchange(impl_->results, {});
}

std::size_t HttpTransport::window() const {
    if (impl_->options.one_try) return 1;
    return impl_->state == Impl::State::ready || impl_->state == Impl::State::posting ? 1 : 0;
}

void HttpTransport::send(std::uint64_t id, std::string_view payload) {
    impl_->message = Impl::Message{id, std::string(payload)};
    if (impl_->state == Impl::State::checking) return;  // posted when the check under way ends well
    if (impl_->options.one_try) {
        impl_->begin_check();
    } else {
        impl_->begin_post();
    }
}

void HttpTransport::renew(const TransportOptions &options) {
    impl_->options.api_key = options.http.api_key;
    if (impl_->state != Impl::State::waiting) return;
    impl_->backoff.reset();
    impl_->slow_backoff.reset();
    impl_->retry_at = Clock::now();
}

bool HttpTransport::connected() const {
    return impl_->up;
}

std::string HttpTransport::status() const {
    if (impl_->up) return "connected to " + impl_->options.urls.front();
    if (impl_->state != Impl::State::waiting) return impl_->trouble;
    const auto left = std::chrono::ceil<milliseconds>(impl_->retry_at - Clock::now());
    return impl_->trouble + ", next try in " + in_seconds(std::max(milliseconds(0), left));
}

}  // namespace ble
