#include "transport/http.hpp"

#include <curl/curl.h>

#include <algorithm>
#include <map>
#include <system_error>

#include "base/backoff.hpp"
#include "base/duration.hpp"
#include "base/error.hpp"
#include "base/log.hpp"
#include "base/version.hpp"
#include "transport/curl_multi.hpp"
#include "transport/http_answer.hpp"
#include "transport/tls_diagnosis.hpp"
#include "transport/transport_options.hpp"

namespace ble {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Clock = std::chrono::steady_clock;

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

    Headers make_headers(const char *type) const;
    void request(const std::string &path, const Message *sent);
    void begin_check();
    void begin_post();
    void collect(CURLcode result);
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
    Headers headers{nullptr, curl_slist_free_all};  // of the request
    CurlMulti curl;
    CURL *const easy = curl.easy();
    State state = State::waiting;
    Clock::time_point retry_at = Clock::now();
    Backoff backoff{seconds(1), seconds(60)}, slow_backoff{seconds(5), seconds(300)};
    std::optional<Message> message;
    std::vector<Result> results;
    bool up = false;           // the last exchange went well
    bool post_failed = false;  // since a message was last taken: a good health check is then no news
    bool complained = false;   // a warning stands that good news should follow
    bool asked_again = false;  // what refused this message has been asked since whether it is well
    std::string trouble = "not yet connected";
    HttpAnswer answer;
    char curl_text[CURL_ERROR_SIZE] = "";
    std::map<long, Throttle> said;  // of each kind of failure; texts differ from one answer to the next
};

HttpTransport::Impl::Impl(HttpOptions given) : options(std::move(given)) {}

HttpTransport::Impl::Headers HttpTransport::Impl::make_headers(const char *type) const {
    curl_slist *list = curl_slist_append(nullptr, type);
    list = curl_slist_append(list, "Expect:");  // no pause for a "100 Continue" before long bodies
    if (options.api_key) list = curl_slist_append(list, ("X-API-Key: " + *options.api_key).c_str());
    return {list, curl_slist_free_all};
}

// `sent`: what to POST, which must outlive the request; none: GET.
void HttpTransport::Impl::request(const std::string &path, const Message *sent) {
    curl.reset();
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
        check_curl(curl_easy_setopt(easy, option, value));
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
    curl.set_tls({options.cafile, options.capath, options.cert, options.key, options.insecure});
    if (sent != nullptr) {
        set(CURLOPT_POST, 1L);
        set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(sent->payload.size()));
        set(CURLOPT_POSTFIELDS, sent->payload.data());
    }
    curl.begin();
}

void HttpTransport::Impl::begin_check() {
    state = State::checking;
    request("/health", nullptr);
}

void HttpTransport::Impl::begin_post() {
    state = State::posting;
    request("/api/v1/detections/bulk", &*message);
}

// Judges the request, which has ended.
void HttpTransport::Impl::collect(CURLcode result) {
    const bool cut_by_us = result == CURLE_WRITE_ERROR && answer.too_long;
    const CURLcode code = cut_by_us ? CURLE_OK : result;
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
    return impl_->curl.fd();
}

milliseconds HttpTransport::timeout() const {
    if (!impl_->results.empty()) return milliseconds(0);
    auto due = impl_->curl.due();
    if (impl_->state == Impl::State::waiting) due = std::min(due.value_or(impl_->retry_at), impl_->retry_at);
    if (!due) return milliseconds(-1);
    return std::max(milliseconds(0), std::chrono::ceil<milliseconds>(*due - Clock::now()));
}

std::vector<Result> HttpTransport::step() {
    if (const auto ended = impl_->curl.step()) impl_->collect(static_cast<CURLcode>(*ended));
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
