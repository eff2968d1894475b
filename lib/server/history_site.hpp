// GET /api/v1/…: what is stored, as JSON. A part of WebSite, for its connections.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "server/hangup_watch.hpp"
#include "server/history.hpp"
#include "server/lws_http.hpp"

namespace ble {

class HistorySite {
  public:
    static constexpr std::string_view root = "/api/v1/";
    // How an answer is sent, with the headers that every answer has.
    using Send = std::function<int(lws *, HttpReply, bool head_only)>;
    // What is borrowed outlives it.
    HistorySite(History &history, HangupWatch &hangups, Send send)
        : history_(history), hangups_(hangups), send_(std::move(send)) {}

    // For LWS_CALLBACK_HTTP, with a path below `root`. Returns its value. `close`: end the connection after it.
    int begin(lws *wsi, std::string_view path, bool close, bool head_only);
    // For LWS_CALLBACK_HTTP_WRITEABLE. Empty: the connection has no question.
    std::optional<int> go_on(lws *wsi);
    void forget(lws *wsi);

  private:
    struct Open {
        History::Ticket ticket = 0;
        std::shared_ptr<const History::Answer> answer;  // null: on its way
        std::string known_tag;                          // the client has that one
        bool close = false, head_only = false, takes_gzip = false;
    };
    int answer(lws *wsi, const Open &open);

    History &history_;
    HangupWatch &hangups_;
    Send send_;
    std::unordered_map<lws *, Open> open_;
};

}  // namespace ble
