#include "transport/event_stream.hpp"

#include <curl/curl.h>

#include <cstring>
#include <utility>

#include "base/duration.hpp"
#include "base/error.hpp"
#include "base/limits.hpp"
#include "base/log.hpp"
#include "transport/http.hpp"
#include "transport/proxy.hpp"

namespace ble {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t longest_event = max_line + 64;    // the longest line in its envelope
constexpr long connect_timeout_s = 10, silence_s = 90;  // blews says something every 30 s

template <class Value>
void set(void *easy, CURLoption option, Value value) {
    check_curl(curl_easy_setopt(easy, option, value));
}

}  // namespace

void EventStreamParser::take(std::string_view bytes, std::vector<std::string> &events) {
    for (const char c : bytes) {
        if (c == '\n' && std::exchange(after_cr_, false)) continue;  // CRLF is one end of a line
        after_cr_ = c == '\r';
        if (c == '\n' || c == '\r')
            take_line(events);
        else if (line_.size() <= longest_ + 6)  // "data: ", and one byte too many
            line_ += c;
    }
}

void EventStreamParser::take_line(std::vector<std::string> &events) {
    const std::string line = std::exchange(line_, {});
    if (line.empty()) {
        if (has_data_ && !too_long_) events.push_back(std::move(data_));
        if (has_data_) last_id_ = id_;
        data_.clear();
        has_data_ = too_long_ = false;
        return;
    }
    const auto colon = line.find(':');
    const std::string_view field = std::string_view(line).substr(0, colon);
    std::string_view value = colon == std::string::npos ? "" : std::string_view(line).substr(colon + 1);
    if (value.starts_with(' ')) value.remove_prefix(1);
    if (field == "id" && value.size() <= longest_id_ && value.find('\0') == std::string_view::npos)
        id_ = value;
    if (field != "data") return;
    too_long_ = too_long_ || data_.size() + value.size() > longest_;
    if (std::exchange(has_data_, true)) data_ += '\n';
    if (too_long_)
        data_.clear();
    else
        data_ += value;
}

void EventStreamParser::begin_anew() {
    line_.clear();
    data_.clear();
    id_ = last_id_;
    has_data_ = too_long_ = after_cr_ = false;
}

void EventStream::FreeList::operator()(curl_slist *list) const {
    curl_slist_free_all(list);
}

EventStream::EventStream(Options options)
    : options_(std::move(options)),
      parser_(longest_event),
      backoff_(milliseconds(500), std::chrono::seconds(10)) {
    void *const easy = easy_.get();
    const auto on_body = [](char *data, std::size_t, std::size_t size, void *self) -> std::size_t {
        return static_cast<EventStream *>(self)->take(data, size);
    };
    set(easy, CURLOPT_URL, options_.url.c_str());
    set(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    set(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
    set(easy, CURLOPT_NOSIGNAL, 1L);
    set(easy, CURLOPT_QUICK_EXIT, 1L);
    set(easy, CURLOPT_CONNECTTIMEOUT, connect_timeout_s);
    set(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
    set(easy, CURLOPT_LOW_SPEED_TIME, silence_s);
    set(easy, CURLOPT_USERAGENT, options_.agent.c_str());
    set(easy, CURLOPT_WRITEFUNCTION, +on_body);
    set(easy, CURLOPT_WRITEDATA, this);
    set_curl_tls(easy, options_.tls);
    begin();
}

void EventStream::begin() {
    curl_slist *list = curl_slist_append(nullptr, "Accept: text/event-stream");
    if (options_.token) list = curl_slist_append(list, ("Authorization: Bearer " + *options_.token).c_str());
    if (!parser_.last_id().empty())
        list = curl_slist_append(list, ("Last-Event-ID: " + parser_.last_id()).c_str());
    set(easy_.get(), CURLOPT_HTTPHEADER, list);
    headers_.reset(list);
    retry_.reset();
    set_status("connecting");
    multi_.begin(easy_.get());
}

void EventStream::set_status(const std::string &text) {
    if (std::exchange(status_, text) != text) log_debug(options_.url + ": " + text);
}

std::optional<EventStream::Clock::time_point> EventStream::due() const {
    return retry_ ? retry_ : multi_.due();
}

std::size_t EventStream::take(const char *bytes, std::size_t size) {
    long status = 0;
    char *type = nullptr;
    curl_easy_getinfo(easy_.get(), CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(easy_.get(), CURLINFO_CONTENT_TYPE, &type);
    if (status != 200 || type == nullptr || !std::string_view(type).starts_with("text/event-stream"))
        return 0;  // ends the transfer: end() says what this is
    connected_ = true;
    looked_ = false;
    backoff_.reset();
    set_status("connected");
    parser_.take({bytes, size}, events_);
    return size;
}

// What will be no better when it is tried again.
void EventStream::check_answer(long status) const {
    if (status == 401 || status == 403)
        throw Error(ExitCode::permission,
                    options_.url + " answers " + std::to_string(status) +
                        (options_.token ? ": the server does not accept the token of --token-file"
                                        : ": it needs a token; give it with --token-file"));
    if (status == 404 || status == 200)
        throw Error(ExitCode::protocol,
                    options_.url + " answers " + std::to_string(status) +
                        ", but not with events; blews serves them at http://HOST:PORT/events");
}

// What is wrong, libcurl says in its own words; so once for each server that is not reached the port is looked at.
void EventStream::look_at(int code) {
    const TlsPeer peer = http_peer(options_.url, options_.tls);
    if (!worth_a_look(code, peer.tls) || !proxy_of_environment(peer.tls, peer.name).empty()) return;
    if (std::exchange(looked_, true)) return;
    look_at_tls_later(peer, [url = options_.url](const std::string &found) {
        if (!found.empty()) log_warning(url + ": " + found);
    });
}

void EventStream::end(int code) {
    long status = 0, error = 0;
    curl_easy_getinfo(easy_.get(), CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(easy_.get(), CURLINFO_OS_ERRNO, &error);
    if (!std::exchange(connected_, false)) {
        check_answer(status);
        look_at(code);
    }
    parser_.begin_anew();
    const auto pause = backoff_.next();
    retry_ = Clock::now() + pause;
    std::string why = curl_easy_strerror(static_cast<CURLcode>(code));
    if (code == CURLE_OK) why = "the server has ended it";
    if (status >= 300) why = "the server answers " + std::to_string(status);
    if (code == CURLE_COULDNT_CONNECT && error != 0) why = std::strerror(static_cast<int>(error));
    set_status("no connection: " + why + "; next try in " + in_seconds(pause));
}

std::vector<std::string> EventStream::step() {
    if (retry_ && Clock::now() >= *retry_) begin();
    for (const auto &one : multi_.step()) {
        multi_.remove(one.easy);
        end(one.code);
    }
    return std::exchange(events_, {});
}

}  // namespace ble
