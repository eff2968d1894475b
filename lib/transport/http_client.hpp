// Requests to HTTP(S) servers by libcurl: several at a time, each on a kept-alive connection (HTTP/1.1) that the next one uses.
// What an answer means is decided in http_judge.hpp.
//
// One thread calls all members. None blocks.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "transport/http_answer.hpp"

namespace ble {

struct HttpOptions;

struct HttpMessage {
    std::uint64_t id;
    std::string payload;       // a batch, sent as JSON; or several joined by LF, as NDJSON
    bool asked_again = false;  // since it was refused, the server's health was checked
    bool several() const { return payload.find('\n') != std::string::npos; }
};

struct HttpEnd {
    std::size_t server;                 // as in the request
    std::optional<HttpMessage> posted;  // none: it was a health check
    int failure = 0;                    // libcurl's code; 0: there is an answer
    HttpAnswer answer;
    HttpOutcome outcome = HttpOutcome::retry;  // the answer's; of a failure: retry
    std::string text;  // for a log line: "POST URL: status 503 (busy)"; empty: delivered
    std::function<void()>
        look_at;  // for a warning: finds out more about the failure and logs it; empty: there is no more
};

class HttpClient {
  public:
    // Error(system): out of memory. `options` is borrowed; its URLs and `one_try` mean nothing here.
    HttpClient(const HttpOptions &options, std::size_t most_requests);
    ~HttpClient();

    // GET base/health, POST base/api/v1/detections/bulk; `server` comes back in the end. Only while fewer than most_requests are running.
    void get_health(std::size_t server, const std::string &base);
    void post(std::size_t server, const std::string &base, HttpMessage message);
    std::size_t running() const;  // requests that have not ended
    // Of requests from now on.
    void set_api_key(const std::optional<std::string> &key);

    int fd() const;  // readable (level-triggered): call step()
    // step() must also be called after at most this long; negative: no timer is running.
    std::chrono::milliseconds timeout() const;
    // Does what is due; the requests that have ended since the last call. Each ends once.
    std::vector<HttpEnd> step();

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace ble
