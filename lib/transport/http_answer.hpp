// What an HTTP answer means for the message that was posted. Others can answer instead of the backend: a
// login page, a proxy, another server. So a status that means "delivered" counts only with a body as a backend writes it.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>

namespace ble {

enum class HttpOutcome {
    delivered,      // 200, 201, from a backend
    retry,          // a fault of the server: 408, 425, 429, 5xx
    refused,        // a fault of the message: 400, 413, 422
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

    // A whole JSON object; or an empty body with Content-Type: application/json and a header that says that it is empty.
    bool of_backend() const;
    HttpOutcome outcome() const;
    // For a log line: "status 503 (text)", "answers 200 with text/html: …", with what to do when only a person can change it.
    std::string describe() const;
};

// How long to wait by Retry-After: seconds, or a date of the server's clock, which is compared with the
// Date of the same answer. Empty: not given, or not known; then the usual back-off counts.
constexpr std::chrono::seconds longest_retry_after(3600);
std::optional<std::chrono::seconds> wait_asked(const std::string &retry_after, const std::string &date);

}  // namespace ble
