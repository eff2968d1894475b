// What blews serves besides its events: the pages of a folder, the login, /health.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "server/access.hpp"
#include "server/brief_state.hpp"
#include "server/gate.hpp"
#include "server/hangup_watch.hpp"
#include "server/history_site.hpp"
#include "server/lws_http.hpp"
#include "server/lws_loop.hpp"
#include "server/packed_files.hpp"
#include "server/path_prefix.hpp"
#include "server/refusals.hpp"
#include "server/static_folder.hpp"
#include "server/trusted_proxies.hpp"

namespace ble {

class WebSite {
  public:
    struct Options {
        std::optional<StaticFolder> folder;  // none: there are no pages
        std::optional<StaticFolder> charts;  // of the library that draws charts; none: it is not installed
        PathPrefix prefix;
        TrustedProxies proxies;
        double rate = 0;             // requests a second of each address, for all but /health; 0: any number
        History *history = nullptr;  // borrowed; none: there is nothing below /api/v1/
    };
    // `loop` is told of wrong tokens. `health`: the JSON object for GET /health. All that is borrowed outlives it.
    WebSite(LwsLoop &loop, const Access &access, Options options, HangupWatch &hangups, Refusals &refusals,
            BriefState &state, std::function<std::string()> health);

    bool has_history() const { return history_.has_value(); }
    // The path of a request, without the prefix.
    std::string path(lws *wsi) const { return options_.prefix.strip(http_path(wsi)); }
    // Why the sender of these headers may not see anything; for every path but /health.
    std::optional<HttpReply> refusal(lws *wsi);

    // For the callback reasons HTTP, HTTP_BODY, HTTP_BODY_COMPLETION, HTTP_WRITEABLE. Return their value.
    int begin(lws *wsi);
    int take_body(lws *wsi, std::string_view piece);
    int finish_body(lws *wsi);
    int go_on(lws *wsi);
    void forget(lws *wsi);  // the connection is gone

    // Sends a whole answer with the headers that every answer here has.
    int answer(lws *wsi, HttpReply reply, bool head_only = false) const;

  private:
    // What takes more than one callback: the login's body, a file or a text on its way.
    struct Open {
        HttpReply reply;
        std::string body, client;
        std::optional<StaticFile> file;
        std::shared_ptr<const std::string> text;  // is sent instead of it
        std::uint64_t size = 0, sent = 0;
        bool proxied_tls = false;
    };
    int begin_login(lws *wsi, const std::string &method, HttpReply reply);
    std::optional<StaticFile> find_file(const std::string &path) const;
    int begin_file(lws *wsi, const std::string &path, HttpReply reply, bool head_only);
    int send_state(lws *wsi, HttpReply reply, bool head_only);
    int send(lws *wsi, Open open, bool head_only);
    HttpReply no_upgrade(lws *wsi) const;
    HttpReply unauthorized(lws *wsi);
    std::optional<HttpReply> stranger(lws *wsi);

    LwsLoop &loop_;
    const Access &access_;
    const Options options_;
    Gate gate_;
    HangupWatch &hangups_;
    Refusals &refusals_;
    BriefState &state_;
    std::function<std::string()> health_;
    std::unordered_map<lws *, Open> open_;
    PackedFiles packed_;
    std::optional<HistorySite> history_;
};

}  // namespace ble
