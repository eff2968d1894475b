// One request by libcurl's easy interface, from its set-up to what came back.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>

#include "transport/curl_multi.hpp"
#include "transport/http_answer.hpp"
#include "transport/http_client.hpp"

struct curl_slist;

namespace ble {

using HttpHeaders = std::shared_ptr<curl_slist>;
// `type`: the whole header of it.
HttpHeaders make_http_headers(const char *type, const std::optional<std::string> &api_key);

// One at a time; a handle is used again and again, so that only what differs is set anew.
struct HttpRequest {
    explicit HttpRequest(const HttpOptions &options);
    HttpRequest(const HttpRequest &) = delete;  // libcurl has its address
    HttpRequest &operator=(const HttpRequest &) = delete;

    // Before it is begun, each time. Without a message a health check.
    void prepare(std::size_t server_given, const std::string &base_given, const HttpHeaders &headers_given,
                 std::optional<HttpMessage> message);
    std::size_t take_body(const char *data, std::size_t size);
    // After its end: fills in the rest of `answer`, whether there was a proxy, and a text about the result.
    void read_headers();
    std::string header(const char *name) const;  // empty: none
    bool proxied() const;
    std::string describe(int code, bool has_certificate) const;

    const CurlEasy curl = make_curl_easy();
    void *const easy = curl.get();
    HttpHeaders headers;
    std::string base, url;  // of the server, and with our path
    std::size_t server = 0;
    std::optional<HttpMessage> posted;
    HttpAnswer answer;
    std::array<char, 256> text{};  // libcurl's, of a failure: CURL_ERROR_SIZE
};

}  // namespace ble
