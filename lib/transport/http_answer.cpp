#include "transport/http_answer.hpp"

#include <curl/curl.h>
#include <strings.h>

#include <algorithm>
#include <charconv>
#include <string_view>

#include "base/log.hpp"
#include "batch/json_text.hpp"

namespace ble {
namespace {

bool means_delivered(long status) {
    return status == 200 || status == 201;
}

// Content-Type without its parameters.
std::string_view media_type(std::string_view type) {
    type = type.substr(0, type.find(';'));
    while (!type.empty() && type.back() == ' ') type.remove_suffix(1);
    return type;
}

bool is(std::string_view type, std::string_view wanted) {
    return type.size() == wanted.size() && ::strncasecmp(type.data(), wanted.data(), wanted.size()) == 0;
}

// What came with a 200 or 201 that no backend has sent.
std::string strange(const HttpAnswer &answer) {
    const bool json = is(media_type(answer.type), "application/json");
    if (answer.too_long) return "more than 1 MiB";
    if (answer.body.empty())
        return json ? "a body that is cut off" : "nothing, and no Content-Type: application/json";
    if (json) return "a JSON object that is not whole";
    return answer.type.empty() ? "no JSON object" : printable(answer.type);
}

// What to do about an answer that only a person can change.
std::string advice(const HttpAnswer &answer) {
    const long status = answer.status;
    if (status == 401 || status == 403) return "; does --api-key-file (HTTP_API_KEY) hold the right key?";
    if (status == 404 || status == 405) return "; does --url (HTTP_BASE_URL) name the right server and path?";
    if (status == 407)
        return "; the proxy needs a login: give it in http_proxy or https_proxy, "
               "http://USER:PASSWORD@HOST:PORT";
    if (status == 415)
        return "; is it the right server? A server that does not know NDJSON needs --coalesce 1";
    if (status == 511) return "; this network needs a login first: open a web page in a browser";
    if (status >= 300 && status < 400)
        return (answer.location.empty() ? "" : ", to " + printable(answer.location)) +
               "; redirects are not followed: log in if that is a login page of the network, else set --url "
               "(HTTP_BASE_URL) to the new place";
    return "; is it the right server?";
}

}  // namespace

bool HttpAnswer::of_backend() const {
    if (too_long || is(media_type(type), "application/captive+json"))
        return false;  // RFC 8908: a login page's
    return body.empty() ? length_known && is(media_type(type), "application/json") : is_json_object(body);
}

HttpOutcome HttpAnswer::outcome() const {
    switch (status) {
        case 200:
        case 201:
            return of_backend() ? HttpOutcome::delivered : HttpOutcome::configuration;
        case 400:
        case 413:
        case 422:
            return HttpOutcome::refused;
        case 408:
        case 425:
        case 429:
            return HttpOutcome::retry;
        case 511:
            return HttpOutcome::configuration;
        default:
            return status >= 500 && status <= 599 ? HttpOutcome::retry : HttpOutcome::configuration;
    }
}

std::string HttpAnswer::describe() const {
    const bool wrong = outcome() == HttpOutcome::configuration;
    if (wrong && means_delivered(status))
        return "answers " + std::to_string(status) + " with " + strange(*this) +
               ": a login page or another server in between?";
    std::string text = "status " + std::to_string(status);
    if (!body.empty()) text += " (" + printable(body) + ")";
    return wrong ? text + advice(*this) : text;
}

std::optional<std::chrono::seconds> wait_asked(const std::string &retry_after, const std::string &date) {
    std::int64_t asked_s = 0;
    const char *const end = retry_after.data() + retry_after.size();
    const auto [rest, error] = std::from_chars(retry_after.data(), end, asked_s);
    if (rest != end) {
        const std::int64_t until = curl_getdate(retry_after.c_str(), nullptr),
                           present = curl_getdate(date.c_str(), nullptr);
        if (until < 0 || present < 0) return {};
        asked_s = until - present;
    } else if (error == std::errc::result_out_of_range) {
        return longest_retry_after;
    }
    if (asked_s <= 0) return {};
    return std::min(std::chrono::seconds(asked_s), longest_retry_after);
}

}  // namespace ble
