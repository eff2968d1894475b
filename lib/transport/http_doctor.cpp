#include "transport/http_doctor.hpp"

#include <poll.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "transport/address_race.hpp"
#include "transport/broker_doctor.hpp"
#include "transport/http_client.hpp"
#include "transport/proxy.hpp"
#include "transport/tls_diagnosis.hpp"

namespace ble {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::seconds;

// One that has not answered for so long is asked in other languages meanwhile.
constexpr seconds soon(2), patience_of_look(5);
constexpr const char *usual_url = "http://localhost:8000";

struct Asked {
    HttpEnd end;
    std::string other;  // what is there instead of the server that was meant; empty: not known
};

// By what a proxy leads to nothing can be found out.
std::string look_at_port(const HttpOptions &options, const std::string &url) {
    TlsPeer peer = http_peer(url, tls_of(options));
    if (!options.proxy.empty() || !proxy_of_environment(peer.tls, peer.name).empty()) return {};
    peer.address = find_address(peer.name, peer.port, {}, patience_of_look).address;
    if (peer.address.empty()) return {};
    const auto found = diagnose_tls(peer, patience_of_look);
    return found.empty() ? "" : url + (peer.tls ? ": TLS: " : ": ") + found;
}

Asked get(HttpClient &client, const HttpOptions &options, const std::string &url, const std::string &path) {
    Asked asked;
    bool looked = false;
    const auto look = [&] {
        if (!std::exchange(looked, true)) asked.other = look_at_port(options, url);
        return !asked.other.empty();
    };
    const auto late = Clock::now() + soon;
    client.get_health(0, url + path);
    for (;;) {
        if (auto ended = client.step(); !ended.empty()) {
            asked.end = std::move(ended.front());
            if (asked.end.look_at) look();
            return asked;
        }
        if (Clock::now() >= late && look()) return asked;
        const auto due = client.timeout();
        const auto longest = std::chrono::milliseconds(looked ? 1000 : 100);
        pollfd wait{client.fd(), POLLIN, 0};
        ::poll(&wait, 1, static_cast<int>((due.count() < 0 ? longest : std::min(due, longest)).count()));
    }
}

Finding judge_server(const std::string &url, const Asked &asked) {
    constexpr const char *name = "server";
    const auto &end = asked.end;
    const std::string curl = "curl -i " + url + "/health";
    if (!asked.other.empty()) return Finding::failed(name, asked.other, curl + "; mend --url");
    if (end.failure != 0)
        return Finding::failed(name, end.text, curl + "; at the backend: systemctl status blerecv; ss -ltn");
    if (end.outcome == HttpOutcome::delivered) return Finding::ok(name, url + "/health: well");
    return Finding::failed(name, end.text, curl + "; is it blerecv, and with this path?");
}

// `health`: what the server has answered before. One of another make knows nothing of a key where nothing is posted.
Finding judge_key(const HttpOptions &options, const HttpAnswer &health, const HttpEnd &end) {
    constexpr const char *name = "key";
    constexpr long unauthorized = 401, forbidden = 403, not_found = 404;
    if (end.failure != 0) return Finding::unknown(name, end.text);
    const long status = end.answer.status;
    if (status == unauthorized || status == forbidden)
        return Finding::failed(
            name, options.api_key ? "the server does not know it" : "there is none, and the server wants one",
            "at the backend: blerecv --make-key DEVICE_ID; here: --api-key-file FILE");
    if (status != not_found || !end.answer.of_backend())
        return Finding::warning(name, "not known: " + end.text,
                                "the log of the server, or of a proxy before it");
    if (health.body.find("\"service\":\"blerecv\"") == std::string::npos)
        return Finding::unknown(name, "this is no blerecv: whether it takes the key, only a batch can show");
    return Finding::ok(name,
                       options.api_key ? "the server takes it" : "there is none, and the server takes all");
}

Findings examine_server(const HttpOptions &options, const std::string &url) {
    Findings all{examine_name(server_of(url).host)};
    if (!works(all)) {
        all.push_back(Finding::unknown("server"));
        all.push_back(Finding::unknown("key"));
        return all;
    }
    HttpClient client(options, 1);
    const auto health = get(client, options, url, "");
    all.push_back(judge_server(url, health));
    all.push_back(works(all) ? judge_key(options, health.end.answer,
                                         get(client, options, url, "/api/v1/detections").end)
                             : Finding::unknown("key"));
    return all;
}

}  // namespace

Findings examine_http_servers(const HttpOptions &options) {
    std::vector<Findings> all;
    for (const auto &url : options.urls.empty() ? std::vector<std::string>{usual_url} : options.urls)
        all.push_back(examine_server(options, url));
    return where_one_is_enough(std::move(all), {"name", "server", "key"});
}

}  // namespace ble
