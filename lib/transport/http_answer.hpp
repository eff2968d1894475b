// What an HTTP answer means for the message that was posted. Whoever stands between us and the backend can answer as well: a
// login page, a proxy, a server that took its place. So a status that says "delivered" counts only in a backend's words.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>

namespace ble {

enum class HttpOutcome {
    delivered,      // 200, 201, from a backend
    retry,          // the server is not well: 408, 425, 429, 5xx
    refused,        // the message is not well: 400, 413, 422
    configuration,  // somebody must change something: every other answer. The message is kept, retries are slow
};

struct HttpAnswer {
    static constexpr std::size_t longest_body = 1 << 20;  // bytes that are kept and looked at

    long status = 0;
    std::string type;               // Content-Type, as it came; empty: none
    std::string body;               // the first longest_body bytes of it
    bool too_long = false;          // there was more
    bool length_known = false;      // a header says where the body ends, so that it is whole
    std::string location;           // of a redirect: the absolute URL
    std::string retry_after, date;  // as they came

    // A whole JSON object; or nothing, as Content-Type: application/json, with a header that says that nothing is to come.
    bool of_backend() const;
    HttpOutcome outcome() const;
    // For a log line: "status 503 (text)", "answers 200 with text/html: …", with what to do when only a person can change it.
    std::string describe() const;
};

// How long an answer asks to wait by its Retry-After: seconds, or a date, which is one of the server's clock and read
// against the same answer's Date. Empty: it does not ask, or nobody can tell; the usual back-off.
constexpr std::chrono::seconds longest_retry_after(3600);
std::optional<std::chrono::seconds> wait_asked(const std::string &retry_after, const std::string &date);

}  // namespace ble
