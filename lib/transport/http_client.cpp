#include "transport/http_client.hpp"

#include <curl/curl.h>

#include <algorithm>
#include <set>
#include <utility>

#include "base/log.hpp"
#include "transport/http.hpp"
#include "transport/http_request.hpp"
#include "transport/tls_diagnosis.hpp"

namespace ble {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

}  // namespace

struct HttpClient::Impl {
    Impl(const HttpOptions &given, std::size_t most_requests);

    void begin(std::size_t server, const std::string &base, std::optional<HttpMessage> message);
    std::vector<HttpEnd> collect();
    HttpEnd end_of(HttpRequest &request, CURLcode code);
    std::function<void()> look_at(const HttpRequest &request, CURLcode code) const;

    const HttpOptions &options;
    HttpHeaders of_batch, of_several;
    std::vector<std::unique_ptr<HttpRequest>> requests;
    std::vector<HttpRequest *> idle;
    std::set<std::size_t> have_answered;  // these speak HTTP
    CurlMulti multi;
};

HttpClient::Impl::Impl(const HttpOptions &given, std::size_t most_requests)
    : options(given), multi(most_requests) {}

void HttpClient::Impl::begin(std::size_t server, const std::string &base,
                             std::optional<HttpMessage> message) {
    if (idle.empty()) idle.push_back(requests.emplace_back(std::make_unique<HttpRequest>(options)).get());
    HttpRequest *request = idle.back();
    idle.pop_back();
    const HttpHeaders &headers = message && message->several() ? of_several : of_batch;
    request->prepare(server, base, headers, std::move(message));
    multi.begin(request->easy);
}

std::vector<HttpEnd> HttpClient::Impl::collect() {
    std::vector<HttpEnd> ended;
    for (const auto &[easy, code] : multi.step()) {
        void *owner = nullptr;
        curl_easy_getinfo(easy, CURLINFO_PRIVATE, &owner);
        HttpRequest &request = *static_cast<HttpRequest *>(owner);
        ended.push_back(end_of(request, static_cast<CURLcode>(code)));
        multi.remove(easy);
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
    if (code == CURLE_OK) {
        end.outcome = request.answer.outcome();
        have_answered.insert(request.server);
    }
    if (end.outcome != HttpOutcome::delivered) end.text = request.describe(code, !options.cert.empty());
    end.look_at = look_at(request, code);
    end.answer = std::move(request.answer);
    end.posted = std::move(request.posted);
    return end;
}

// Not where a proxy leads there.
std::function<void()> HttpClient::Impl::look_at(const HttpRequest &request, CURLcode code) const {
    TlsPeer peer = http_peer(request.base, tls_of(options));
    if (request.proxied() || !worth_a_look(code, peer.tls) ||
        (!peer.tls && have_answered.count(request.server) > 0))
        return {};
    // The address is looked for anew: newer libcurls do not tell that of a connection that came to nothing.
    const bool tls = peer.tls;
    return [peer = std::move(peer), what = request.base, by = tls ? ": TLS: " : ": "] {
        look_at_tls_later(peer, [what, by](const std::string &found) {
            if (!found.empty()) log_warning(what + by + found);
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
    return impl_->multi.begun();
}

void HttpClient::set_api_key(const std::optional<std::string> &key) {
    impl_->of_batch = make_http_headers("Content-Type: application/json", key);
    impl_->of_several = make_http_headers("Content-Type: application/x-ndjson", key);
}

int HttpClient::fd() const {
    return impl_->multi.fd();
}

milliseconds HttpClient::timeout() const {
    const auto due = impl_->multi.due();
    if (!due) return milliseconds(-1);
    return std::max(milliseconds(0), std::chrono::ceil<milliseconds>(*due - Clock::now()));
}

std::vector<HttpEnd> HttpClient::step() {
    return impl_->collect();
}

}  // namespace ble
