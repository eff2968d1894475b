#include "transport/http_doctor.hpp"

#include <poll.h>

#include <chrono>

#include "transport/address_race.hpp"
#include "transport/broker_doctor.hpp"
#include "transport/http_client.hpp"
#include "transport/tls_diagnosis.hpp"

namespace ble {
namespace {

constexpr std::chrono::seconds tls_patience(5);
constexpr const char *usual_url = "http://localhost:8000";

HttpEnd get(HttpClient &client, const std::string &base) {
    client.get_health(0, base);
    for (;;) {
        if (auto ended = client.step(); !ended.empty()) return std::move(ended.front());
        pollfd ask{client.fd(), POLLIN, 0};
        ::poll(&ask, 1, static_cast<int>(client.timeout().count()));
    }
}

Finding judge_server(const HttpOptions &options, const std::string &url, const HttpEnd &end) {
    constexpr const char *name = "server";
    const HttpServerName server = server_of(url);
    if (end.failure == 0 && end.outcome == HttpOutcome::delivered)
        return Finding::ok(name, url + "/health: well");
    if (end.failure == 0)
        return Finding::failed(name, end.text,
                               "curl -i " + url + "/health; is it blerecv, and with this path?");
    if (server.tls) {
        const auto at = find_address(server.host, server.port, {}, tls_patience);
        const TlsPeer peer{server.host,    at.address,       server.port,
                           options.cafile, options.capath,   options.cert,
                           options.key,    options.insecure, TlsPeer::Protocol::http};
        if (const auto fault = diagnose_tls(peer, tls_patience); !fault.empty())
            return Finding::failed(name, url + ": TLS: " + fault, "curl -iv " + url + "/health");
    }
    return Finding::failed(name, end.text,
                           "curl -i " + url + "/health; at the backend: systemctl status blerecv; ss -ltn");
}

Finding judge_key(const HttpOptions &options, const HttpEnd &end) {
    constexpr const char *name = "key";
    if (end.failure != 0) return Finding::unknown(name, end.text);
    if (end.answer.status == 401 || end.answer.status == 403)
        return Finding::failed(
            name, options.api_key ? "the server does not know it" : "there is none, and the server wants one",
            "at the backend: blerecv --make-key DEVICE_ID; here: --api-key-file FILE");
    return Finding::ok(name,
                       options.api_key ? "the server takes it" : "there is none, and the server takes all");
}

}  // namespace

Findings examine_http_servers(const HttpOptions &options) {
    Findings all;
    for (const auto &url : options.urls.empty() ? std::vector<std::string>{usual_url} : options.urls) {
        all.push_back(examine_name(server_of(url).host));
        if (all.back().verdict != Finding::Verdict::ok) {
            all.push_back(Finding::unknown("server"));
            all.push_back(Finding::unknown("key"));
            continue;
        }
        HttpClient client(options, 1);
        all.push_back(judge_server(options, url, get(client, url)));
        all.push_back(works({all.back()}) ? judge_key(options, get(client, url + "/api/v1/detections"))
                                          : Finding::unknown("key"));
    }
    return all;
}

}  // namespace ble
