// Who may use a server that browsers use: by the token, the page's origin, and the host name in the request.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ble {

class Access {
  public:
    // `token`: none: everybody may. `origins`: "https://board.example.org"; "*": every page. `loopback`: the server
    // listens where only this machine reaches it. `tls`: the cookie is for TLS only.
    // Error(config): a token shorter than 16 characters or with characters that no header can hold; an origin that is
    // none.
    Access(std::optional<std::string> token, const std::vector<std::string> &origins, bool loopback,
           bool tls);

    bool needs_token() const { return token_.has_value(); }
    // In constant time.
    bool token_matches(std::string_view candidate) const;
    // By the values of the request's Authorization and Cookie headers (empty: absent).
    bool authorized(std::string_view authorization, std::string_view cookies) const;
    // Does that value of the header Authorization hold a token, right or wrong? A proxy's password is not one.
    static bool shows_token(std::string_view authorization);
    bool tls() const { return tls_; }
    // The value of Set-Cookie after a login. It proves the token and does not contain it. It names no path, so that it is valid
    // for all below the folder of the login's address as the browser sees it, also behind a proxy (RFC 6265, 5.1.4).
    // `proxied_tls`: it is for TLS only, which a proxy does for us.
    std::string set_cookie(bool proxied_tls) const;

    // A page of another site, open in the browser of somebody who can reach us, must not read our events: a request with
    // an Origin header must come from a page of ours (same host and port) or of the allowed origins. Other programs than
    // browsers send none.
    bool origin_allowed(std::string_view origin, std::string_view host) const;
    // `origin`, which comes from outside, in a form for --origin that is safe in a log and in a shell. Empty: there is none.
    static std::string nameable(std::string_view origin);
    // Is `origin` in the list of origins itself, so that a browser may be told so?
    bool origin_listed(std::string_view origin) const;
    // On loopback without a token, a foreign name in the Host header means that a page made its own name point at us (DNS
    // rebinding): only this machine's names, IP addresses and the hosts of the allowed origins pass.
    bool host_allowed(std::string_view host) const;

  private:
    std::optional<std::string> token_;
    std::string cookie_;
    std::vector<std::string> origins_;
    bool every_origin_ = false, loopback_, tls_;
};

}  // namespace ble
