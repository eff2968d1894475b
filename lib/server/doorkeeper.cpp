#include "server/doorkeeper.hpp"

#include <libwebsockets.h>
#include <strings.h>

#include <utility>

#include "server/allowances.hpp"

namespace ble {
namespace {

constexpr std::size_t most_familiar = 10'000;  // two megabytes or so

std::string shown_key(lws *wsi) {
    std::string key = http_header(wsi, "x-api-key");
    if (!key.empty()) return key;
    const std::string authorization = http_header(wsi, WSI_TOKEN_HTTP_AUTHORIZATION);
    return strncasecmp(authorization.c_str(), "bearer ", 7) == 0 ? authorization.substr(7) : "";
}

}  // namespace

Doorkeeper::Doorkeeper(LwsLoop &loop, const Access &access, TrustedProxies proxies, ApiKeys keys, double rate)
    : loop_(loop),
      access_(access),
      gate_(access_, std::move(proxies), refusals_, rate),
      keys_(std::move(keys)) {}

std::variant<HttpReply, Sender> Doorkeeper::admit(lws *wsi) {
    Sender sender;
    if (auto foreign = gate_.foreign(wsi)) {
        foreign->close = true;
        return std::move(*foreign);
    }
    if (!keys_.everybody_may()) {
        const std::string shown = shown_key(wsi), client = gate_.client(wsi);
        const std::string *owner = keys_.owner(shown);
        // Who has had the right key from there is not kept out by others who guess.
        const bool familiar = owner != nullptr && familiar_.contains({network_of(client), *owner});
        if (!shown.empty() && !familiar && loop_.guesses_too_often(wsi, client)) return gate_.guesses(client);
        if (owner == nullptr) return unknown(wsi, !shown.empty());
        if (familiar_.size() >= most_familiar) familiar_.clear();
        familiar_.emplace(network_of(client), *owner);
        sender.name = "key " + *owner;
        if (*owner != every_device) sender.device = *owner;
    }
    if (const std::string name = http_certificate(wsi); sender.name.empty() && !name.empty())
        sender.name = "certificate " + name;
    if (auto refusal = gate_.too_often(wsi, sender.name)) {
        refusal->close = true;
        return std::move(*refusal);
    }
    return sender;
}

void Doorkeeper::set_keys(ApiKeys keys) {
    keys_ = std::move(keys);
    familiar_.clear();
}

HttpReply Doorkeeper::unknown(lws *wsi, bool shown) {
    if (shown) loop_.note_guess(wsi, gate_.client(wsi));
    refusals_.note(Refusals::Kind::key,
                   "answering 401 to " + gate_.client(wsi) +
                       (shown ? ", whose key is not known"
                              : ", which sent no key: clients send it in the header X-API-Key"));
    HttpReply reply = http_error(401, "a valid key is needed in the header X-API-Key",
                                 "www-authenticate: Bearer realm=\"blepipe\"\r\n");
    reply.close = true;
    return reply;
}

void Doorkeeper::note_device(const std::string &client, const std::string &reason) {
    refusals_.note(Refusals::Kind::device, "answering 403 to " + client + ": " + reason);
}

std::string Doorkeeper::refused(std::uint64_t clients) const {
    using Kind = Refusals::Kind;
    return refusals_.json({Kind::host, Kind::origin, Kind::key, Kind::device, Kind::rate}, clients);
}

}  // namespace ble
