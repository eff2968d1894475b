#include "server/access.hpp"

#include <algorithm>

#include "base/digest.hpp"
#include "base/error.hpp"
#include "base/host.hpp"
#include "base/secret.hpp"
#include "base/trimmed.hpp"

namespace ble {

namespace {

constexpr std::string_view cookie_name = "blepipe_session";
constexpr std::size_t longest_origin = 8 + 253 + 6;  // a scheme, a name (RFC 1035, 2.3.4), a port

std::string lower(std::string_view text) {
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : static_cast<char>(c);
    });
    return out;
}

// "https://Example.org:443" -> "example.org"; a port that the scheme implies is left out, as browsers do.
std::string authority_of(std::string_view origin) {
    const std::size_t colon = origin.find("://");
    if (colon == std::string_view::npos) return {};
    const std::string scheme = lower(origin.substr(0, colon));
    std::string authority = lower(origin.substr(colon + 3));
    const std::string implied = scheme == "https" ? ":443" : scheme == "http" ? ":80" : "";
    if (!implied.empty() && authority.ends_with(implied)) authority.resize(authority.size() - implied.size());
    return authority;
}

std::string normalized(std::string_view origin) {
    return lower(origin.substr(0, origin.find("://"))) + "://" + authority_of(origin);
}

// Of an origin that was given with --origin, and so is one.
std::string name_of(std::string_view origin) {
    return parse_uri_host(authority_of(origin)).value_or(UriHost{}).name;
}

}  // namespace

Access::Access(std::optional<std::string> token, const std::vector<std::string> &origins, bool loopback,
               bool tls)
    : token_(std::move(token)), loopback_(loopback), tls_(tls) {
    if (token_) {
        if (token_->size() < short_key)
            throw Error(ExitCode::config, "the token is shorter than " + std::to_string(short_key) +
                                              " characters: make one with `openssl rand -hex 32`");
        if (std::any_of(token_->begin(), token_->end(), [](char c) { return c <= ' ' || c > '~'; }))
            throw Error(ExitCode::config,
                        "the token has blanks or characters that are not ASCII; it must be one word");
        cookie_ = hex(hmac_sha256(*token_, "blepipe session"));
    }
    for (const std::string &given : origins) {
        const std::string_view origin = std::string_view(given).substr(0, given.find_last_not_of('/') + 1);
        if (given == "*") {
            every_origin_ = true;
        } else if (nameable(origin).empty()) {
            throw Error(ExitCode::config,
                        "--origin " + given +
                            ": not an origin; write it as https://board.example.org or http://host:3000");
        } else {
            origins_.push_back(normalized(origin));
        }
    }
}

bool Access::token_matches(std::string_view candidate) const {
    return token_ && equal_secrets(*token_, candidate);
}

bool Access::shows_token(std::string_view authorization) {
    return lower(authorization.substr(0, 7)) == "bearer ";
}

bool Access::authorized(std::string_view authorization, std::string_view cookies) const {
    if (!token_) return true;
    if (shows_token(authorization)) return token_matches(trimmed(authorization.substr(7)));
    while (!cookies.empty()) {
        const std::size_t end = cookies.find(';');
        const std::string_view one = trimmed(cookies.substr(0, end));
        const std::size_t equals = one.find('=');
        if (equals != std::string_view::npos && one.substr(0, equals) == cookie_name &&
            equal_secrets(one.substr(equals + 1), cookie_))
            return true;
        cookies.remove_prefix(end == std::string_view::npos ? cookies.size() : end + 1);
    }
    return false;
}

std::string Access::set_cookie(bool proxied_tls) const {
    return std::string(cookie_name) + "=" + cookie_ + "; Max-Age=2592000; HttpOnly; SameSite=Strict" +
           (tls_ || proxied_tls ? "; Secure" : "");
}

std::string Access::nameable(std::string_view origin) {
    const std::string text = lower(origin), authority = authority_of(origin);
    const bool web = text.starts_with("http://") || text.starts_with("https://");
    return web && parse_uri_host(authority) && text.size() <= longest_origin ? text : "";
}

bool Access::origin_listed(std::string_view origin) const {
    return every_origin_ || std::find(origins_.begin(), origins_.end(), normalized(origin)) != origins_.end();
}

bool Access::origin_allowed(std::string_view origin, std::string_view host) const {
    if (origin.empty() || origin_listed(origin)) return true;
    const std::string authority = authority_of(origin);
    return !authority.empty() && authority == authority_of(std::string(origin.substr(0, origin.find(':'))) +
                                                           "://" + std::string(host));
}

bool Access::host_allowed(std::string_view host) const {
    if (!loopback_ || token_ || every_origin_ || host.empty()) return true;
    const auto called = parse_uri_host(host);
    if (!called) return false;
    const std::string &name = called->name;
    if (name == "localhost" || name.ends_with(".localhost") || called->is_address) return true;
    return std::any_of(origins_.begin(), origins_.end(),
                       [&](const std::string &origin) { return name_of(origin) == name; });
}

}  // namespace ble
