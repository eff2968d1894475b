// Who may send batches: decided by the headers of a request, before anything else of it is looked at.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>

#include "base/log.hpp"
#include "server/access.hpp"
#include "server/api_keys.hpp"
#include "server/gate.hpp"
#include "server/lws_http.hpp"
#include "server/lws_loop.hpp"
#include "server/refusals.hpp"
#include "server/trusted_proxies.hpp"

namespace ble {

// A sender that may come in.
struct Sender {
    std::string name;    // "key pi-1", "key *", without keys "certificate pi-1"; empty: nobody was asked
    std::string device;  // the only one whose batches it may send; empty: any
};

// While libwebsockets has the request's headers, as lws_http.hpp says.
class Doorkeeper {
  public:
    // Without keys everybody may send whom `access` lets in, by Host and Origin. `rate`: requests a second of each key, or
    // without keys of each address; 0: any number. `loop` is told of wrong keys.
    Doorkeeper(LwsLoop &loop, const Access &access, TrustedProxies proxies, ApiKeys keys, double rate);

    // Why it may not come in, or who it is. A refusal ends the connection: what it still sends is not read.
    std::variant<HttpReply, Sender> admit(lws *wsi);
    // A batch of another device than the sender's.
    void note_device(const std::string &client, const std::string &reason);
    // The client's address, perhaps as a trusted proxy gives it.
    std::string client(lws *wsi) const { return gate_.client(wsi); }

    void set_keys(ApiKeys keys);
    std::string refused(
        std::uint64_t clients) const;  // for /health; `clients`: connections that were too many

  private:
    HttpReply unknown(lws *wsi, bool shown);

    LwsLoop &loop_;
    Refusals refusals_;
    const Access access_;
    Gate gate_;
    ApiKeys keys_;
    std::set<std::pair<std::string, std::string>> familiar_;  // networks and owners whose key was right
};

}  // namespace ble
