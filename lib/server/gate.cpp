#include "server/gate.hpp"

#include <libwebsockets.h>

#include <array>
#include <utility>

#include "base/log.hpp"

namespace ble {

namespace {

bool says_https(lws *wsi) {
    return http_header(wsi, "x-forwarded-proto") == "https";
}

std::string advice_on_origin(std::string_view origin) {
    if (const std::string option = Access::nameable(origin); !option.empty())
        return "if the page is yours, allow it with --origin " + option +
               "; behind nginx, 'proxy_set_header Host $http_host' does it as well";
    if (origin == "null")
        return "it has no origin, as a file and a frame in a sandbox have none; --origin '*' allows every "
               "page";
    return "that is no origin, and --origin cannot name it";
}

}  // namespace

Gate::Gate(const Access &access, TrustedProxies proxies, Refusals &refusals)
    : access_(access), proxies_(std::move(proxies)), refusals_(refusals) {}

std::optional<HttpReply> Gate::foreign(lws *wsi) {
    const std::string host = http_header(wsi, WSI_TOKEN_HOST), origin = http_header(wsi, WSI_TOKEN_ORIGIN);
    if (!access_.host_allowed(host)) {
        const std::string option = Access::nameable((says_https(wsi) ? "https://" : "http://") + host);
        refusals_.note(Refusals::Kind::host,
                       "refusing (403) a request that calls this server '" + printable(host) +
                           "', since a page could have made that name point here" +
                           (option.empty() ? "" : ": if the name is yours, say --origin " + option));
        return http_error(403,
                          "called by the name " + printable(host) +
                              ", which is none of this machine: use localhost, or allow it with --origin");
    }
    if (!access_.origin_allowed(origin, host)) {
        refusals_.note(Refusals::Kind::origin, "refusing (403) a page of '" + printable(origin) +
                                                   "', which calls this server '" + printable(host) +
                                                   "': " + advice_on_origin(origin));
        return http_error(403,
                          "pages of " + printable(origin) + " may not read this: allow them with --origin");
    }
    return std::nullopt;
}

bool Gate::authorized(lws *wsi) const {
    return access_.authorized(http_header(wsi, WSI_TOKEN_HTTP_AUTHORIZATION),
                              http_header(wsi, WSI_TOKEN_HTTP_COOKIE));
}

HttpReply Gate::unauthorized() {
    refusals_.note(Refusals::Kind::token,
                   "refusing (401) a client that does not know the token: programs send the header "
                   "'Authorization: Bearer TOKEN', browsers log in");
    return http_error(401, "send the header 'Authorization: Bearer TOKEN', or log in with a browser",
                      "www-authenticate: Bearer realm=\"blepipe\"\r\n");
}

std::optional<HttpReply> Gate::refusal(lws *wsi) {
    if (auto reply = foreign(wsi)) return reply;
    if (!authorized(wsi)) return unauthorized();
    return std::nullopt;
}

bool Gate::proxied_tls(lws *wsi) {
    if (!says_https(wsi)) return false;
    std::array<char, 64> address{};
    const std::string peer = lws_get_peer_simple(wsi, address.data(), address.size());
    if (proxies_.trusts(peer)) return true;
    if (unbelieved_.due())
        log_warning(
            "a login over https, as " + peer +
            " says, gets a cookie that is not for https alone: if that is your proxy, say --trusted-proxy " +
            peer);
    return false;
}

}  // namespace ble
