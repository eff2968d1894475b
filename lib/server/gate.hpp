// Access, asked about requests: who is refused gets an answer, and is noted.
#pragma once

#include <optional>

#include "base/log.hpp"
#include "server/access.hpp"
#include "server/lws_http.hpp"
#include "server/refusals.hpp"
#include "server/trusted_proxies.hpp"

namespace ble {

// While libwebsockets has the request's headers, as lws_http.hpp says.
class Gate {
  public:
    // `access`, `refusals` are borrowed.
    Gate(const Access &access, TrustedProxies proxies, Refusals &refusals);

    // For a browser that was lured here by a page of another site.
    std::optional<HttpReply> foreign(lws *wsi);
    // Is the token, or the cookie of a login, there?
    bool authorized(lws *wsi) const;
    HttpReply unauthorized();
    // Both.
    std::optional<HttpReply> refusal(lws *wsi);

    // Has the browser come by TLS, as a proxy says that we believe? One that is not named is logged.
    bool proxied_tls(lws *wsi);

  private:
    const Access &access_;
    const TrustedProxies proxies_;
    Refusals &refusals_;
    Throttle unbelieved_;
};

}  // namespace ble
