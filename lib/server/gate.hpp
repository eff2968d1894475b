// Access for requests: a refused client gets an answer, and is counted.
#pragma once

#include <optional>

#include "base/log.hpp"
#include "server/access.hpp"
#include "server/allowances.hpp"
#include "server/lws_http.hpp"
#include "server/refusals.hpp"
#include "server/trusted_proxies.hpp"

namespace ble {

// While libwebsockets has the request's headers, as lws_http.hpp says.
class Gate {
  public:
    // `access`, `refusals` are borrowed.
    // Each key or client may ask `rate` times a second on average; 0: as often as it likes.
    Gate(const Access &access, TrustedProxies proxies, Refusals &refusals, double rate);

    // Has this one asked too often? `name`: its key; empty: its address counts.
    std::optional<HttpReply> too_often(lws *wsi, const std::string &name = {});

    // For a browser that a page of another site sent here.
    std::optional<HttpReply> foreign(lws *wsi);
    // Is the token, or the cookie of a login, there?
    bool authorized(lws *wsi) const;
    HttpReply unauthorized(lws *wsi);
    // The answer to a client that LwsLoop::guesses_too_often(): its key is not looked at. It ends the connection.
    HttpReply guesses(const std::string &client);
    // The client's address, perhaps as a trusted proxy gives it.
    std::string client(lws *wsi) const;

    // Did the browser use TLS, as a trusted proxy says? A proxy that is not trusted is logged.
    bool proxied_tls(lws *wsi);

  private:
    const Access &access_;
    const TrustedProxies proxies_;
    Refusals &refusals_;
    Allowances requests_;
    Throttle unbelieved_;
};

}  // namespace ble
