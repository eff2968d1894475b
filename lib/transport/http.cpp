#include "transport/http.hpp"

#include <algorithm>
#include <utility>

#include "transport/http_client.hpp"
#include "transport/http_judge.hpp"
#include "transport/transport_options.hpp"

namespace ble {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;
using State = HttpJudge::State;

struct HttpTransport::Impl {
    Impl(HttpOptions given, std::size_t most)
        : options(std::move(given)),
          inflight(most),
          client(options, most),
          judge(options.urls, options.one_try) {}

    bool check_waits() const;
    void check();
    void post(HttpMessage message);
    void ended(HttpEnd end);
    void check_ended(const HttpEnd &end);
    void post_ended(HttpEnd end);
    void settle(const HttpMessage &message, Outcome outcome, std::string reason);
    void give_back_waiting();

    HttpOptions options;
    std::size_t inflight;
    HttpClient client;
    HttpJudge judge;
    std::vector<HttpMessage> waiting;  // for the end of a health check
    std::vector<Result> results;
};

// For its time, while nothing is on its way: what a server says while it answers something else would tell little.
bool HttpTransport::Impl::check_waits() const {
    return (judge.state() == State::waiting || judge.state() == State::asking) && client.running() == 0;
}

void HttpTransport::Impl::check() {
    judge.begin_check();
    client.get_health(judge.server(), judge.url());
}

void HttpTransport::Impl::post(HttpMessage message) {
    client.post(judge.server(), judge.url(), std::move(message));
}

void HttpTransport::Impl::ended(HttpEnd end) {
    const bool posted = end.posted.has_value();
    posted ? post_ended(std::move(end)) : check_ended(end);
    // With one try nobody waits for back-off: another server is asked at once.
    if (judge.state() == State::waiting && !options.one_try) give_back_waiting();
}

void HttpTransport::Impl::check_ended(const HttpEnd &end) {
    judge.check_ended(end, Clock::now());
    if (judge.state() != State::open) return;
    if (!judge.up()) return give_back_waiting();
    for (HttpMessage &message : std::exchange(waiting, {})) post(std::move(message));
}

void HttpTransport::Impl::post_ended(HttpEnd end) {
    switch (judge.post_ended(end, Clock::now())) {
        case HttpJudge::Verdict::delivered:
            return settle(*end.posted, Outcome::delivered, {});
        case HttpJudge::Verdict::refused:
            return settle(*end.posted, Outcome::refused, std::move(end.text));
        case HttpJudge::Verdict::retry:
            return settle(*end.posted, Outcome::retry, std::move(end.text));
        case HttpJudge::Verdict::ask:
            end.posted->asked_again = true;
            waiting.push_back(std::move(*end.posted));
    }
}

void HttpTransport::Impl::settle(const HttpMessage &message, Outcome outcome, std::string reason) {
    results.push_back({message.id, outcome, std::move(reason)});
}

void HttpTransport::Impl::give_back_waiting() {
    for (const HttpMessage &message : std::exchange(waiting, {}))
        settle(message, Outcome::retry, judge.trouble());
}

HttpTransport::HttpTransport(HttpOptions options, std::size_t inflight)
    : impl_(std::make_unique<Impl>(std::move(options), inflight)) {}
HttpTransport::~HttpTransport() = default;

void HttpTransport::start() {
    impl_->check();
}

int HttpTransport::fd() const {
    return impl_->client.fd();
}

milliseconds HttpTransport::timeout() const {
    const auto time = impl_->client.timeout();
    if (!impl_->results.empty()) return milliseconds(0);
    if (!impl_->check_waits()) return time;
    const auto left =
        std::max(milliseconds(0), std::chrono::ceil<milliseconds>(impl_->judge.check_due() - Clock::now()));
    return time.count() < 0 ? left : std::min(time, left);
}

std::vector<Result> HttpTransport::step() {
    for (HttpEnd &end : impl_->client.step()) impl_->ended(std::move(end));
    if (impl_->check_waits() && Clock::now() >= impl_->judge.check_due()) impl_->check();
    return std::exchange(impl_->results, {});
}

std::size_t HttpTransport::window() const {
    if (impl_->options.one_try) return 1;
    return impl_->judge.state() == State::open ? impl_->inflight : 0;
}

void HttpTransport::send(std::uint64_t id, std::string_view payload) {
    HttpMessage message{id, std::string(payload)};
    if (!impl_->options.one_try) return impl_->post(std::move(message));
    impl_->waiting.push_back(std::move(message));
    if (impl_->judge.state() == State::open) impl_->check();
}

void HttpTransport::renew(const TransportOptions &options) {
    impl_->client.set_api_key(options.http.api_key);
    impl_->judge.stop_waiting(Clock::now());
}

bool HttpTransport::connected() const {
    return impl_->judge.up();
}

std::string HttpTransport::status() const {
    return impl_->judge.status(Clock::now());
}

}  // namespace ble
