// Posts each message to an HTTP(S) server, over as many kept-alive connections as messages may be outstanding: a batch as JSON,
// several as NDJSON. One at a time keeps their order; of several the later may arrive first.
//
// GET URL/health first and after every failure, when no other request is open; then POST URL/api/v1/detections/bulk. A failure
// closes the window until its back-off, or the server's Retry-After, has passed. Requests: http_client.hpp; what each answer means:
// http_answer.hpp, http_judge.hpp.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "transport/curl_multi.hpp"
#include "transport/tls_diagnosis.hpp"
#include "transport/transport.hpp"

namespace ble {

class CommandLine;

struct HttpOptions {
    std::vector<std::string> urls;  // the servers' bases: paths are appended; empty: http://localhost:8000
    std::string api_key_file;
    std::chrono::milliseconds timeout = std::chrono::seconds(10);  // of a whole request
    std::string cafile, capath, cert, key;                         // TLS; empty: the system's authorities
    bool insecure = false;
    std::string proxy;  // an URL; empty: that of the environment, as libcurl has it
    // As in the first implementation: a health check before every message, one try, no back-off; each message ends at once.
    bool one_try = false;
    std::optional<std::string> api_key;  // set by validate_http_options(); never logged
};

CurlTls tls_of(const HttpOptions &options);
// Declares --api-key-file and --timeout. --url, and the TLS options, which MQTT has too, are the tool's to declare.
void declare_http_options(HttpOptions &options, CommandLine &line);
// Checks what can be checked without connecting, reads the key.
void validate_http_options(HttpOptions &options, const CommandLine &line);
// The key out of the file, HTTP_API_KEY, its _FILE or the credentials folder; empty: there is none. Error(config): it cannot be read, or
// is none.
std::optional<std::string> find_api_key(const HttpOptions &options);
// For the start of a tool: warns when the API key would go unencrypted over a network.
void warn_of_plain_key(const HttpOptions &options);

// The server of a URL that validate_http_options() has accepted; `host` without brackets.
struct HttpServerName {
    std::string host;
    std::uint16_t port = 0;
    bool tls = false;
};
HttpServerName server_of(const std::string &url);
// For a look at what is there; its address is not looked for.
TlsPeer http_peer(const std::string &url, const CurlTls &tls);

class HttpTransport final : public Transport {
  public:
    // With `one_try` one message at a time.
    HttpTransport(HttpOptions options, std::size_t inflight);
    ~HttpTransport() override;

    void start() override;
    int fd() const override;
    std::chrono::milliseconds timeout() const override;
    std::vector<Result> step() override;
    std::size_t window() const override;
    void send(std::uint64_t id, std::string_view payload) override;
    void renew(const TransportOptions &options) override;
    bool connected() const override;
    std::string status() const override;

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace ble
