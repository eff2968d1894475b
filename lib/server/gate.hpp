// Access, asked about requests: who is refused gets an answer, and is noted.
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

    // For a browser that was lured here by a page of another site.
    std::optional<HttpReply> foreign(lws *wsi);
    // Is the token, or the cookie of a login, there?
    bool authorized(lws *wsi) const;
    HttpReply unauthorized(lws *wsi);
    // For one that LwsLoop::guesses_too_often(), instead of a look at what it shows. It ends the connection.
    HttpReply guesses(const std::string &client);
    // The client's address, which a proxy may have told that we believe.
    std::string client(lws *wsi) const;

    // Has the browser come by TLS, as a proxy says that we believe? One that is not named is logged.
    bool proxied_tls(lws *wsi);

  private:
    const Access &access_;
    const TrustedProxies proxies_;
    Refusals &refusals_;
    Allowances requests_;
    Throttle unbelieved_;
};

}  // namespace ble
