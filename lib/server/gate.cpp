#include "server/gate.hpp"

#include <libwebsockets.h>

#include <utility>

#include "base/log.hpp"

namespace ble {

namespace {

constexpr double burst_seconds = 10;  // of requests that may come at once

bool says_https(lws *wsi) {
    return http_header(wsi, "x-forwarded-proto") == "https";
}

std::string advice_on_origin(std::string_view origin) {
    if (const std::string option = Access::nameable(origin); !option.empty())
        return "if the page is yours, allow it with --origin " + option +
               "; behind nginx, 'proxy_set_header Host $http_host' works too";
    if (origin == "null")
        return "it has no origin (a local file or a sandboxed frame has none); --origin '*' allows every "
               "page";
    return "that is no origin, and --origin cannot name it";
}

}  // namespace

Gate::Gate(const Access &access, TrustedProxies proxies, Refusals &refusals, double rate)
    : access_(access),
      proxies_(std::move(proxies)),
      refusals_(refusals),
      requests_(rate, rate * burst_seconds) {}

std::optional<HttpReply> Gate::too_often(lws *wsi, const std::string &name) {
    const std::string who = name.empty() ? network_of(client(wsi)) : name;
    if (requests_.take(who)) return std::nullopt;
    refusals_.note(Refusals::Kind::rate, "answering 429 to " + printable(who) +
                                             ", which sends too many requests; allow more with --max-rate");
    return http_error(429, "too many requests: ask again later", "retry-after: 1\r\n");
}

std::optional<HttpReply> Gate::foreign(lws *wsi) {
    const std::string host = http_header(wsi, WSI_TOKEN_HOST), origin = http_header(wsi, WSI_TOKEN_ORIGIN);
    if (!access_.host_allowed(host)) {
        const std::string option = Access::nameable((says_https(wsi) ? "https://" : "http://") + host);
        refusals_.note(Refusals::Kind::host,
                       "refusing (403) a request that calls this server '" + printable(host) +
                           "', because a web page could have made that name point here" +
                           (option.empty() ? "" : ": if the name is yours, add --origin " + option));
        return http_error(
            403, "called by the name " + printable(host) +
                     ", which is not a name of this machine: use localhost, or allow the name with --origin");
    }
    if (!access_.origin_allowed(origin, host)) {
        refusals_.note(Refusals::Kind::origin, "refusing (403) a page of '" + printable(origin) +
                                                   "', which calls this server '" + printable(host) +
                                                   "': " + advice_on_origin(origin));
        return http_error(403,
                          "pages of " + printable(origin) + " may not use this: allow them with --origin");
    }
    return std::nullopt;
}

bool Gate::authorized(lws *wsi) const {
    return access_.authorized(http_header(wsi, WSI_TOKEN_HTTP_AUTHORIZATION),
                              http_header(wsi, WSI_TOKEN_HTTP_COOKIE));
}

std::string Gate::client(lws *wsi) const {
    return proxies_.client(http_peer(wsi), http_header(wsi, WSI_TOKEN_X_FORWARDED_FOR));
}

HttpReply Gate::guesses(const std::string &client) {
    refusals_.note(Refusals::Kind::rate,
                   "answering 429 to " + printable(client) + ", which sent too many wrong keys or tokens");
    HttpReply reply =
        http_error(429, "too many wrong keys or tokens have come from your address: ask again later",
                   "retry-after: 10\r\n");
    reply.close = true;
    return reply;
}

HttpReply Gate::unauthorized(lws *wsi) {
    refusals_.note(Refusals::Kind::token, "refusing (401) a client at " + client(wsi) +
                                              " that sent no valid token: programs send the header "
                                              "'Authorization: Bearer TOKEN', browsers log in");
    return http_error(401, "send the header 'Authorization: Bearer TOKEN', or log in with a browser",
                      "www-authenticate: Bearer realm=\"blepipe\"\r\n");
}

bool Gate::proxied_tls(lws *wsi) {
    if (!says_https(wsi)) return false;
    const std::string peer = http_peer(wsi);
    if (proxies_.trusts(peer)) return true;
    if (unbelieved_.due())
        log_warning(
            "a login over https, as " + peer +
            " says, gets a cookie that is not for https alone: if that is your proxy, say --trusted-proxy " +
            peer);
    return false;
}

}  // namespace ble
